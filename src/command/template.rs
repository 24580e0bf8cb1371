//! Pipeline files: a header of names with defaults, and statements in which `${name}` stands for a value.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result as CommandResult};

/// A pipeline file, its names given values.
#[derive(Debug, Clone)]
pub(super) struct Template {
    text: String,
    names: Vec<Name>,
    generate: Vec<String>,
}

#[derive(Debug, Clone)]
struct Name {
    name: String,
    value: String,
    is_given: bool,
}

/// What to generate because a pipeline's default input isn't there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GenerateRequest {
    /// Photos in class folders.
    Photos { directory: PathBuf, images: usize, classes: usize },
    /// A small ONNX model.
    Model { file: PathBuf },
}

/// An error of a pipeline file.
pub(super) fn in_file(file: &Path) -> impl Fn(String) -> Error {
    move |error| Error::Usage(format!("{}: {error}", file.display()))
}

impl Template {
    /// Reads a file, and gives its names the values of `NAME=VALUE`.
    ///
    /// # Errors
    /// A file that can't be read, a header that is none, names that it doesn't declare.
    pub(super) fn open(file: &Path, values: &[String]) -> CommandResult<Self> {
        let text = fs::read_to_string(file).map_err(Error::file("read", file))?;
        let mut template = Self::parse(&text).map_err(in_file(file))?;
        for value in values {
            let Some((name, value)) = value.split_once('=') else {
                return Err(Error::Usage(format!("--set takes NAME=VALUE, got '{value}'")));
            };
            template.set(name.trim(), value).map_err(in_file(file))?;
        }
        Ok(template)
    }

    /// Reads the header: the comment lines before the first statement.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut template = Self { text: text.to_string(), names: Vec::new(), generate: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let Some(comment) = line.strip_prefix("--") else { break };
            let at = |what: &str| format!("line {}: {what}, got '{line}'", number + 1);
            if let Some(set) = comment.trim_start().strip_prefix("set:") {
                let Some((name, value)) = set.split_once('=') else {
                    return Err(at("expected '-- set: name = value'"));
                };
                let (name, value) = (name.trim().to_string(), value.trim().to_string());
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err(at("a name is made of letters, digits and '_'"));
                }
                if template.names.iter().any(|other| other.name == name) {
                    return Err(at(&format!("'{name}' is set twice")));
                }
                template.names.push(Name { name, value, is_given: false });
            } else if let Some(generate) = comment.trim_start().strip_prefix("generate:") {
                template.generate.push(generate.trim().to_string());
            }
        }
        Ok(template)
    }

    /// Gives a name a value.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let known = self.known_names();
        let Some(found) = self.names.iter_mut().find(|other| other.name == name) else {
            return Err(format!("there is no name '{name}' to set; {known}"));
        };
        found.value = value.to_string();
        found.is_given = true;
        Ok(())
    }

    /// Whether the header declares a name.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.names.iter().any(|other| other.name == name)
    }

    /// Whether a name was given another value than the header's.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.names.iter().any(|other| other.name == name && other.is_given)
    }

    /// What to generate: asked for by `-- generate: name = ...`, the name not set, and nothing there.
    pub(super) fn generate(&self) -> Result<Vec<GenerateRequest>, String> {
        let mut requests = Vec::new();
        for generate in &self.generate {
            let expected = || {
                format!(
                    "expected '-- generate: name = N images in M classes' or '-- generate: name = an ONNX model', got '{generate}'"
                )
            };
            let (name, what) = generate.split_once('=').ok_or_else(expected)?;
            let name = self.names.iter().find(|other| other.name == name.trim()).ok_or_else(expected)?;
            let place = PathBuf::from(&name.value);
            let is_needed = !name.is_given && !place.exists();
            let request = match what.split_whitespace().collect::<Vec<_>>()[..] {
                [images, "images", "in", classes, "classes"] => {
                    let (images, classes) = images.parse().ok().zip(classes.parse().ok()).ok_or_else(expected)?;
                    GenerateRequest::Photos { directory: place, images, classes }
                }
                ["an", "ONNX", "model"] => GenerateRequest::Model { file: place },
                _ => return Err(expected()),
            };
            requests.extend(is_needed.then_some(request));
        }
        Ok(requests)
    }

    /// The statements with every `${name}` replaced. In a quoted text, quotes of the value are doubled; comments stay.
    pub(super) fn sql(&self) -> Result<String, String> {
        let mut sql = String::with_capacity(self.text.len());
        let mut place = TextPart::Code;
        let mut rest = self.text.as_str();
        while let Some(character) = rest.chars().next() {
            if let (Some(tail), false) = (rest.strip_prefix("${"), place == TextPart::Comment) {
                let Some((name, tail)) = tail.split_once('}') else {
                    return Err("'${' without a '}' behind it".to_string());
                };
                let value = self.value(name.trim())?;
                match place {
                    TextPart::Text => sql.push_str(&value.replace('\'', "''")),
                    TextPart::Code | TextPart::Comment => sql.push_str(value),
                }
                rest = tail;
                continue;
            }
            place = match (place, character) {
                (TextPart::Code, '\'') => TextPart::Text,
                (TextPart::Code, '-') if rest.starts_with("--") => TextPart::Comment,
                (TextPart::Text, '\'') | (TextPart::Comment, '\n') => TextPart::Code,
                (place, _) => place,
            };
            sql.push(character);
            rest = &rest[character.len_utf8()..];
        }
        Ok(sql)
    }

    fn value(&self, name: &str) -> Result<&str, String> {
        let found = self.names.iter().find(|other| other.name == name);
        let found = found.ok_or_else(|| format!("there is no value for '${{{name}}}'; {}", self.known_names()))?;
        Ok(&found.value)
    }

    fn known_names(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| name.name.as_str()).collect();
        match names.as_slice() {
            [] => "its header declares no names (-- set: name = value)".to_string(),
            names => format!("its header declares {}", names.join(", ")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TextPart {
    Code,
    Text,
    Comment,
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-- Counts.\n-- set: input = photos\n-- set: limit = 3\n-- generate: input = 20 images in 2 classes\n\
                        SELECT '${input}/**', ${limit}; -- not ${here}\n";

    #[test]
    fn names_stand_for_defaults_and_given_values() {
        let mut template = Template::parse(FILE).expect("a template");
        template.set("input", "Anne's").expect("a known name");
        let sql = template.sql().expect("all names are known");
        assert!(sql.ends_with("SELECT 'Anne''s/**', 3; -- not ${here}\n"), "{sql}");
    }

    #[test]
    fn unknown_and_missing_names_are_errors() {
        let mut template = Template::parse(FILE).expect("a template");
        assert_eq!(
            template.set("imput", "x").expect_err("unknown"),
            "there is no name 'imput' to set; its header declares input, limit"
        );
        let template = Template::parse("SELECT ${x}").expect("a template");
        assert_eq!(
            template.sql().expect_err("missing"),
            "there is no value for '${x}'; its header declares no names (-- set: name = value)"
        );
    }

    #[test]
    fn input_is_generated_only_where_the_default_is_missing() {
        let mut template = Template::parse(&FILE.replace("photos", "no/such/photos")).expect("a template");
        let directory = PathBuf::from("no/such/photos");
        let requests = vec![GenerateRequest::Photos { directory, images: 20, classes: 2 }];
        assert_eq!(template.generate(), Ok(requests));
        template.set("input", "no/such/photos").expect("a known name");
        assert_eq!(template.generate(), Ok(Vec::new()));
    }

    #[test]
    fn several_inputs_are_generated() {
        let file = "-- set: input = no/such/photos\n-- set: model = no/such/model.onnx\n\
                    -- generate: input = 20 images in 2 classes\n-- generate: model = an ONNX model\nSELECT 1;\n";
        let template = Template::parse(file).expect("a template");
        let photos = GenerateRequest::Photos { directory: "no/such/photos".into(), images: 20, classes: 2 };
        let model = GenerateRequest::Model { file: "no/such/model.onnx".into() };
        assert_eq!(template.generate(), Ok(vec![photos, model]));
        let other = Template::parse(&file.replace("an ONNX model", "a model")).expect("a template");
        assert!(other.generate().is_err_and(|error| error.contains("got 'model = a model'")));
    }
}
