//! The models that this process keeps loaded, each once, for all sessions and threads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::common::{Result, exec_err, plan_err};
use datafusion::config::ConfigOptions;
use sha2::{Digest, Sha256};

use super::files::{ModelFile, ModelSettings, settings_of};
use super::model::Model;
use crate::support::work::model_loaded;

/// How many models were loaded.
static LOADS: AtomicUsize = AtomicUsize::new(0);
static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// How many models this process has loaded since it began; what is found loaded isn't counted.
pub fn model_loads() -> usize {
    LOADS.load(Ordering::Relaxed)
}

/// A model's bytes, by their hash, and what runs it.
type Key = (String, Option<PathBuf>);

#[derive(Debug, Default)]
struct Cache {
    slots: HashMap<Key, Slot>,
    /// The hashes of files as they were found.
    found: HashMap<String, (ModelFile, String)>,
    /// Counts uses, to know the last of each.
    uses: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// Locked while the model is loaded, so that it is loaded once.
    model: Arc<Mutex<Option<Arc<Model>>>>,
    bytes: u64,
    last_use: u64,
}

impl Cache {
    fn slot(&mut self, key: &Key) -> Arc<Mutex<Option<Arc<Model>>>> {
        self.uses += 1;
        let slot = self.slots.entry(key.clone()).or_default();
        slot.last_use = self.uses;
        Arc::clone(&slot.model)
    }

    /// Takes note of a model's bytes, and forgets those that weren't used for the longest time until the others have room.
    ///
    /// Who runs a model that is forgotten runs it to the end.
    fn keep(&mut self, key: &Key, bytes: u64, most: u64) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.bytes = bytes;
        }
        while self.slots.values().map(|slot| slot.bytes).sum::<u64>() > most {
            let others = self.slots.iter().filter(|(other, slot)| *other != key && slot.bytes > 0);
            let Some(oldest) = others.min_by_key(|(_, slot)| slot.last_use).map(|(key, _)| key.clone()) else { break };
            self.slots.remove(&oldest);
        }
    }
}

fn cache<T>(work: impl FnOnce(&mut Cache) -> T) -> T {
    work(&mut CACHE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A model that a statement is planned with.
#[derive(Debug, Clone)]
pub(crate) struct OpenModel {
    pub(crate) model: Arc<Model>,
    /// The location as whoever runs the plan understands it.
    pub(crate) location: String,
    /// The hash of the file's bytes.
    pub(crate) version: String,
}

/// The model that is at a location now.
///
/// # Errors
/// It can't be read or run; the message says whose call it is for.
pub(crate) fn open(function: &str, location: &str, options: &ConfigOptions) -> Result<OpenModel> {
    let settings = settings(function, options)?;
    let refused = |why: String| plan_err!("{function}: model '{location}' can't be used: {why}");
    let file = settings.files.look_at(location)?;
    if let Some(why) = too_large(&file, &settings) {
        return refused(why);
    }
    let known =
        cache(|cache| cache.found.get(location).filter(|(found, _)| *found == file).map(|(_, hash)| hash.clone()));
    let loaded = known.and_then(|hash| {
        let slot = cache(|cache| cache.slot(&(hash.clone(), settings.onnxruntime.clone())));
        let model = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        model.map(|model| (model, hash))
    });
    let (model, version) = match loaded {
        Some(loaded) => loaded,
        None => {
            let bytes = settings.files.read(location, settings.cache_bytes)?;
            let version = hash(&bytes);
            cache(|cache| {
                // A process that meets more locations than this has no use for them all.
                const MOST: usize = 1000;
                if cache.found.len() >= MOST {
                    cache.found.clear();
                }
                cache.found.insert(location.to_string(), (file, version.clone()))
            });
            match loaded_once(bytes, &version, &settings) {
                Ok(model) => (model, version),
                Err(why) => return refused(why),
            }
        }
    };
    Ok(OpenModel { model, location: settings.files.sent_as(location), version })
}

/// The model that a statement was planned with.
///
/// # Errors
/// It can't be read, or isn't that one any more.
pub(crate) fn running(function: &str, location: &str, version: &str, options: &ConfigOptions) -> Result<Arc<Model>> {
    let settings = settings(function, options)?;
    settings.files.check(location)?;
    let slot = cache(|cache| cache.slot(&(version.to_string(), settings.onnxruntime.clone())));
    let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let model = match loaded.as_ref() {
        Some(model) => Arc::clone(model),
        None => {
            let bytes = settings.files.read(location, settings.cache_bytes)?;
            if hash(&bytes) != version {
                return exec_err!(
                    "{function}: model '{location}' has changed since the statement was planned; run the statement again"
                );
            }
            match load(bytes, version, &settings, &mut loaded) {
                Ok(model) => model,
                Err(why) => return exec_err!("{function}: model '{location}' can't be used: {why}"),
            }
        }
    };
    if let Some(time) = model.take_load_time() {
        model_loaded(time);
    }
    Ok(model)
}

fn settings(function: &str, options: &ConfigOptions) -> Result<ModelSettings> {
    match settings_of(options)? {
        Some(settings) => Ok(settings),
        None => plan_err!("{function}: this session has no models; say where they are by pixmill_udfs::find_models_by"),
    }
}

fn too_large(file: &ModelFile, settings: &ModelSettings) -> Option<String> {
    /// What protobuf messages can have.
    const MOST: u64 = i32::MAX as u64;
    let ModelFile { bytes, .. } = file;
    if *bytes > MOST {
        return Some(format!("it has {bytes} bytes, and an ONNX file with its weights can have {MOST}"));
    }
    (*bytes > settings.cache_bytes).then(|| {
        format!(
            "it has {bytes} bytes, and pixmill.model_cache lets models have {}; SET pixmill.model_cache to more",
            settings.cache_bytes
        )
    })
}

fn loaded_once(bytes: Vec<u8>, version: &str, settings: &ModelSettings) -> Result<Arc<Model>, String> {
    let slot = cache(|cache| cache.slot(&(version.to_string(), settings.onnxruntime.clone())));
    let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
    match loaded.as_ref() {
        Some(model) => Ok(Arc::clone(model)),
        None => load(bytes, version, settings, &mut loaded),
    }
}

fn load(
    bytes: Vec<u8>,
    version: &str,
    settings: &ModelSettings,
    slot: &mut Option<Arc<Model>>,
) -> Result<Arc<Model>, String> {
    let key = (version.to_string(), settings.onnxruntime.clone());
    let loaded = Model::load(bytes, settings.onnxruntime.as_deref());
    let model = match loaded {
        Ok(model) => Arc::new(model),
        Err(why) => {
            cache(|cache| cache.slots.remove(&key));
            return Err(why);
        }
    };
    LOADS.fetch_add(1, Ordering::Relaxed);
    *slot = Some(Arc::clone(&model));
    cache(|cache| cache.keep(&key, model.bytes, settings.cache_bytes));
    Ok(model)
}

/// What tells a file's bytes from others, also from those that somebody has made to look the same: sessions share the cache.
fn hash(bytes: &[u8]) -> String {
    const BYTES: usize = 16;
    Sha256::digest(bytes).iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use datafusion::common::plan_datafusion_err;
    use pixmill_synthetic::onnx::{Onnx, line};

    use super::*;
    use crate::support::onnx::files::{ModelFiles, find_models_by};

    /// Files in memory, of which each has its version.
    static FILES: LazyLock<Mutex<HashMap<String, Vec<u8>>>> = LazyLock::new(Mutex::default);

    #[derive(Debug)]
    struct InMemory;

    impl ModelFiles for InMemory {
        fn check(&self, _: &str) -> Result<()> {
            Ok(())
        }

        fn look_at(&self, location: &str) -> Result<ModelFile> {
            let bytes = self.read(location, u64::MAX)?;
            Ok(ModelFile { bytes: bytes.len() as u64, version: hash(&bytes) })
        }

        fn read(&self, location: &str, _: u64) -> Result<Vec<u8>> {
            let bytes = FILES.lock().expect("files").get(location).cloned();
            bytes.ok_or_else(|| plan_datafusion_err!("there is no '{location}'"))
        }
    }

    fn options() -> ConfigOptions {
        let settings = || ModelSettings { files: Arc::new(InMemory), cache_bytes: 1 << 20, onnxruntime: None };
        static SETTINGS: OnceSettings = OnceSettings::new();
        SETTINGS.get_or_init(settings);
        find_models_by(|_| Ok(SETTINGS.get().cloned()));
        ConfigOptions::default()
    }

    type OnceSettings = std::sync::OnceLock<ModelSettings>;

    fn write(location: &str, model: &Onnx) {
        FILES.lock().expect("files").insert(location.to_string(), model.file());
    }

    #[test]
    fn sixteen_threads_load_a_model_once() {
        let options = options();
        write("once.onnx", &line().metadata("name", "once"));
        let version = hash(&line().metadata("name", "once").file());
        let load = || running("f", "once.onnx", &version, &options).expect("a model");
        let models: Vec<Arc<Model>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a model")).collect()
        });
        assert!(models.iter().all(|model| Arc::ptr_eq(model, &models[0])));
        let planned = open("f", "once.onnx", &options).expect("a model");
        assert!(Arc::ptr_eq(&planned.model, &models[0]));
    }

    #[test]
    fn a_changed_file_is_a_new_model_and_statements_keep_theirs() {
        let options = options();
        write("changing.onnx", &line().metadata("name", "first"));
        let first = open("f", "changing.onnx", &options).expect("a model");
        write("changing.onnx", &line().metadata("name", "second"));
        let second = open("f", "changing.onnx", &options).expect("a model");
        assert_ne!(first.version, second.version);
        let kept = running("f", "changing.onnx", &first.version, &options).expect("the first, which is loaded");
        assert!(Arc::ptr_eq(&kept, &first.model));
        let gone = running("f", "changing.onnx", "0123", &options).expect_err("another file");
        assert_eq!(
            gone.strip_backtrace(),
            "Execution error: f: model 'changing.onnx' has changed since the statement was planned; run the statement again"
        );
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_makes_room() {
        let mut cache = Cache::default();
        let key = |name: &str| (name.to_string(), None);
        for (name, bytes) in [("a", 40), ("b", 40), ("c", 40)] {
            cache.slot(&key(name));
            cache.keep(&key(name), bytes, 100);
            cache.slot(&key("a"));
        }
        let mut kept: Vec<&str> = cache.slots.keys().map(|(name, _)| name.as_str()).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["a", "c"]);
    }

    #[test]
    fn a_model_that_has_no_room_is_not_read() {
        let settings = ModelSettings { files: Arc::new(InMemory), cache_bytes: 1000, onnxruntime: None };
        let file = |bytes| ModelFile { bytes, version: String::new() };
        assert_eq!(too_large(&file(1000), &settings), None);
        assert!(too_large(&file(1001), &settings).is_some_and(|why| why.contains("SET pixmill.model_cache to more")));
        assert!(
            too_large(&file(3 << 30), &settings)
                .is_some_and(|why| why.contains("an ONNX file with its weights can have"))
        );
    }
}
