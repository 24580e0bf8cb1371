//! The pipeline of an experiment: a file whose number of partitions and whose output are given by each run.

use std::path::{Path, PathBuf};

use crate::command::template::{GenerateRequest, Template, in_file};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// The names that may say how many partitions there are; the first one that a header declares does.
const PARTITIONS: [&str; 2] = ["partitions", "shards"];
/// The name that says where a pipeline writes.
const OUTPUT: &str = "output";

/// A pipeline file.
pub(super) struct Pipeline {
    file: PathBuf,
    template: Template,
    partitions: &'static str,
}

impl Pipeline {
    /// Reads a file, and checks that an experiment can be made with it.
    ///
    /// # Errors
    /// A file that can't be read, whose header declares no number of partitions or whose statements don't use it; statements
    /// that are no SQL; values for what the experiment sets.
    pub(super) fn open(file: &Path, values: &[String]) -> Result<Self> {
        let template = Template::open(file, values)?;
        let wrong = |text: String| in_file(file)(text);
        let Some(partitions) = PARTITIONS.into_iter().find(|name| template.declares(name)) else {
            return Err(wrong(
                "its header declares neither 'partitions' nor 'shards', which --partitions sets; declare one (-- set: shards = 16) \
                 and use it, as in OPTIONS (shards ${shards})"
                    .to_string(),
            ));
        };
        for (name, instead) in [(partitions, "--partitions"), (OUTPUT, "the experiment, see --keep")] {
            if template.is_given(name) {
                return Err(Error::Usage(format!("'{name}' is set by {instead}; leave out --set {name}=...")));
            }
        }
        let pipeline = Self { file: file.to_path_buf(), template, partitions };
        let (one, two) = (pipeline.sql(1, Path::new("output"))?, pipeline.sql(2, Path::new("output"))?);
        if one == two {
            return Err(wrong(format!(
                "its header declares '{partitions}', and no statement uses it; write ${{{partitions}}} where the number of partitions \
                 belongs, as in OPTIONS ({partitions} ${{{partitions}}})"
            )));
        }
        Engine::local(1)?.parse(&one)?;
        Ok(pipeline)
    }

    /// The photos to generate because the default input isn't there.
    pub(super) fn generate(&self) -> std::result::Result<Vec<GenerateRequest>, String> {
        self.template.generate()
    }

    /// The statements of a run.
    ///
    /// # Errors
    /// Names that the header doesn't declare.
    pub(super) fn sql(&self, partitions: u32, output: &Path) -> Result<String> {
        let mut template = self.template.clone();
        let set = template.set(self.partitions, &partitions.to_string());
        let set = set.and_then(|()| match template.declares(OUTPUT) {
            true => template.set(OUTPUT, &output.to_string_lossy()),
            false => Ok(()),
        });
        set.and_then(|()| template.sql()).map_err(in_file(&self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str, values: &[&str]) -> std::result::Result<String, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("f.sql");
        std::fs::write(&file, text).expect("a file");
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        let sql = Pipeline::open(&file, &values).and_then(|pipeline| pipeline.sql(3, Path::new("out/here")));
        sql.map_err(|error| error.to_string())
    }

    #[test]
    fn a_run_sets_partitions_and_output() {
        let sql = open("-- set: shards = 16\n-- set: output = out\nSELECT '${output}', ${shards}", &[]);
        assert!(sql.expect("sound").ends_with("SELECT 'out/here', 3"));
        let both = open("-- set: shards = 16\n-- set: partitions = 4\nSELECT ${partitions}, ${shards}", &[]);
        assert!(both.expect("sound").ends_with("SELECT 3, 16"));
    }

    #[test]
    fn a_file_that_takes_no_partitions_is_refused() {
        let none = open("SELECT 1", &[]).expect_err("no header");
        assert!(none.contains("declares neither 'partitions' nor 'shards'"), "{none}");
        let unused = open("-- set: shards = 16\nSELECT 1", &[]).expect_err("not used");
        assert!(unused.contains("declares 'shards', and no statement uses it"), "{unused}");
    }

    #[test]
    fn what_the_experiment_sets_cant_be_set() {
        let text = "-- set: shards = 16\n-- set: output = out\nSELECT '${output}', ${shards}";
        for (value, said) in [("shards=2", "'shards' is set by --partitions"), ("output=x", "see --keep")] {
            let error = open(text, &[value]).expect_err(value);
            assert!(error.contains(said), "{error}");
        }
    }
}
