//! The models of a session, by their names, and those of files.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use datafusion::catalog::{MemTable, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionConfig, SessionContext};
use pixmill_udfs::{FittedModel, FittedModels, of_models};

use super::describe::table_of;
use super::file;
use crate::storage::Reach;

/// The models of a session.
#[derive(Debug)]
pub(crate) struct Models {
    reach: Reach,
    named: RwLock<BTreeMap<String, Named>>,
}

/// A model with a name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) model: Arc<FittedModel>,
    /// Its file.
    pub(crate) location: Option<String>,
}

impl Models {
    /// Those of a session that was opened with them.
    pub(crate) fn of(config: &SessionConfig) -> Option<Arc<Self>> {
        config.get_extension::<Self>()
    }

    /// Their names, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|(name, _)| name).collect()
    }

    /// All of them, by their names.
    pub(super) fn all(&self) -> Vec<(String, Named)> {
        let named = self.named.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        named.iter().map(|(name, model)| (name.clone(), model.clone())).collect()
    }

    /// The model of a name.
    pub(super) fn get(&self, name: &str) -> Option<Named> {
        self.named.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned()
    }

    /// Gives a model a name, in place of the one that has it.
    pub(super) fn put(&self, name: String, model: Named) {
        self.named.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name, model);
    }

    /// Takes a model's name away; whether it had it.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.named.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(name).is_some()
    }

    /// Checks that a name can be given; whether there is something to do.
    ///
    /// # Errors
    /// It is taken.
    pub(super) fn check_new(&self, name: &str, or_replace: bool, if_not_exists: bool) -> Result<bool> {
        if or_replace && if_not_exists {
            return plan_err!("CREATE MODEL takes OR REPLACE or IF NOT EXISTS, got both");
        }
        match self.get(name) {
            Some(_) if if_not_exists => Ok(false),
            Some(_) if !or_replace => {
                plan_err!("there is a model '{name}' already; drop it, or write CREATE OR REPLACE MODEL")
            }
            _ => Ok(true),
        }
    }

    /// Reads the model of a file and gives it a name.
    ///
    /// # Errors
    /// A name that is taken, or a file that is none.
    pub(crate) fn open(&self, name: &str, location: &str, or_replace: bool, if_not_exists: bool) -> Result<()> {
        if self.check_new(name, or_replace, if_not_exists)? {
            let model = Arc::new(file::read(&self.reach, location)?);
            self.put(name.to_string(), Named { model, location: Some(location.to_string()) });
        }
        Ok(())
    }
}

impl FittedModels for Models {
    fn find(&self, name: &str) -> Result<Arc<FittedModel>> {
        if let Some(named) = self.get(name).or_else(|| self.get(&name.to_lowercase())) {
            return Ok(named.model);
        }
        if name.contains(['/', '.', '\\']) {
            return file::read(&self.reach, name).map(Arc::new);
        }
        let names = self.names();
        match names.is_empty() {
            true => plan_err!("there is no model '{name}': this session has none; make one with CREATE MODEL"),
            false => plan_err!("there is no model '{name}'; there are {}", names.join(", ")),
        }
    }
}

/// Gives a session models of its own, and the functions that find them.
pub(crate) fn register_models(ctx: &SessionContext) {
    let models = Arc::new(Models { reach: Reach::of(&ctx.copied_config()), named: RwLock::default() });
    for function in of_models(&(Arc::clone(&models) as Arc<dyn FittedModels>)) {
        ctx.register_udf(function);
    }
    ctx.register_udtf("model", Arc::new(ModelTable(Arc::clone(&models))));
    ctx.state_ref().write().config_mut().set_extension(models);
}

/// `FROM model('name')`.
#[derive(Debug)]
struct ModelTable(Arc<Models>);

impl TableFunctionImpl for ModelTable {
    fn call(&self, args: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let [Expr::Literal(ScalarValue::Utf8(Some(name)), _)] = args else {
            return plan_err!(
                "model takes the name of a model, as in FROM model('pickups'), got {} arguments",
                args.len()
            );
        };
        let batch = table_of(self.0.find(name)?.as_ref())?;
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }
}
