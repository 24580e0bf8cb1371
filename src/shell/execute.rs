//! What the shell's commands do.

use std::io::{self, Write};
use std::path::PathBuf;

use console::Term;
use etcetera::BaseStrategy;

use super::command::{Action, Command, file_and_query, help};
use super::functions::functions;
use super::statement::Output;
use super::{Shell, Source, describe};
use crate::cluster::client::Cluster;
use crate::cluster::report::JobState;
use crate::error::{Error, Result};
use crate::output::{aligned, job_table};
use crate::plot::{self, Look};
use crate::sheet::{self, Graphics};
use crate::words::{cut, quoted};

impl Shell {
    /// Runs a command.
    ///
    /// # Errors
    /// A command that isn't one, and what it says itself.
    pub(super) async fn execute(&mut self, text: &str, depth: usize) -> Result<()> {
        let Command { action, argument } = Command::parse(text)?;
        match action {
            Action::Help => self.output.print(&help()),
            Action::Quit => {
                self.is_left = true;
                Ok(())
            }
            Action::Tables if argument.is_empty() => self.output.print(&describe::tables(&self.names)),
            Action::Tables => self.output.print(&describe::table(&self.names, argument)?),
            Action::Functions => {
                let text = functions(&self.session.context().state(), argument, columns())?;
                self.output.print(&text)
            }
            Action::Timing => {
                let opposite = if self.settings.is_timed { "off" } else { "on" };
                self.change("timing", if argument.is_empty() { opposite } else { argument })
            }
            Action::Format if argument.is_empty() => self.output.print(&self.listed("format")?),
            Action::Format => self.change("format", argument),
            Action::Output => self.redirect(argument),
            Action::Include => {
                let path = with_home(argument);
                self.run(Source::File { path: &path, goes_on: false }, depth + 1).await
            }
            Action::Set => self.set(argument).await,
            Action::Show => self.show(argument).await,
            Action::Plot => self.plot(argument).await,
            Action::Jobs => {
                let text = match self.session.cluster() {
                    Some(cluster) => job_table(&cluster.jobs().await?),
                    None => self.recent.table(),
                };
                self.output.print(&text)
            }
            Action::Cancel => self.cancel(argument).await,
        }
    }

    /// Changes a setting of the shell, and says so.
    fn change(&mut self, name: &str, value: &str) -> Result<()> {
        self.settings.set(name, value)?;
        eprintln!("{name} is {value}");
        Ok(())
    }

    fn redirect(&mut self, argument: &str) -> Result<()> {
        if argument.is_empty() {
            self.output = Output::Terminal;
            eprintln!("rows go to the terminal");
        } else {
            let path = with_home(argument);
            self.output = Output::file(&path)?;
            eprintln!("rows go to {}", path.display());
        }
        Ok(())
    }

    async fn set(&mut self, argument: &str) -> Result<()> {
        let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
        // As SET has it.
        let value = value.trim_start().trim_start_matches('=').trim();
        let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
        if value.is_empty() {
            let text = self.listed(name)?;
            return self.output.print(&text);
        }
        if !self.settings.set(name, value)? {
            self.session.sql(&format!("SET {name} = {}", quoted(value))).await?;
        }
        eprintln!("{name} is {value}");
        Ok(())
    }

    /// Settings and options whose names begin so; without a beginning those of the shell and of pixmill.
    fn listed(&self, beginning: &str) -> Result<String> {
        let options = self.names.settings();
        let options = options.into_iter().map(|[name, value, description]| {
            // DataFusion's descriptions are pages.
            let first = description.lines().next().unwrap_or_default();
            [name, value, crate::words::first_sentence(first).to_string()]
        });
        let all = self.settings.entries().into_iter().chain(options);
        let is_listed = |name: &str| match beginning {
            "" => !name.contains('.') || name.starts_with("pixmill."),
            _ => name.starts_with(beginning),
        };
        let listed: Vec<_> = all.filter(|[name, ..]| is_listed(name)).collect();
        match listed.is_empty() {
            true => Err(Error::Usage(format!("there is no option '{beginning}'; \\set lists some, SHOW ALL all"))),
            false => Ok(in_columns(&aligned(&listed, 0..0))),
        }
    }

    /// Pictures are for the terminal, wherever rows go.
    async fn show(&self, query: &str) -> Result<()> {
        let graphics = Graphics::of_stdout().map_err(Error::Usage)?;
        let shown = async || {
            for statement in self.session.parse(query)? {
                sheet::show(&self.session, statement, &mut io::stdout(), graphics, columns()).await?;
            }
            io::stdout().flush().map_err(Error::output)
        };
        shown().await.map_err(|error: Error| error.pointed(query))
    }

    /// As above, but for one that is written.
    async fn plot(&self, argument: &str) -> Result<()> {
        let (file, query) = file_and_query(argument)?;
        let graphics = Graphics::of_stdout().map_err(Error::Usage)?;
        let drawn = async || {
            for statement in self.session.parse(query)? {
                match file {
                    Some(file) => plot::write(&self.session, statement, Look::default(), &with_home(file)).await?,
                    None => {
                        let mut out = io::stdout();
                        let look = Look::default();
                        let summary = plot::show(&self.session, statement, look, &mut out, graphics, columns()).await?;
                        writeln!(out, "{summary}").map_err(Error::output)?;
                    }
                }
            }
            io::stdout().flush().map_err(Error::output)
        };
        drawn().await.map_err(|error: Error| error.pointed(query))
    }

    async fn cancel(&mut self, argument: &str) -> Result<()> {
        let Some(cluster) = self.session.cluster() else {
            return Err(Error::Usage(
                "\\cancel is about the jobs of a cluster; Ctrl-C cancels what runs here".to_string(),
            ));
        };
        let id = match argument {
            "" => the_running_job(cluster).await?,
            id => id.to_string(),
        };
        let job = cluster.cancel_to_its_end(&id).await?;
        let text = job_table(&[job]);
        self.output.print(&text)
    }
}

/// The job that runs, if it is the only one.
async fn the_running_job(cluster: &Cluster) -> Result<String> {
    let jobs = cluster.jobs().await?;
    let running: Vec<_> =
        jobs.into_iter().filter(|job| matches!(job.state, JobState::Queued | JobState::Running)).collect();
    match running.as_slice() {
        [job] => Ok(job.id.clone()),
        [] => Err(Error::Usage("\\cancel: no job is running".to_string())),
        several => {
            let ids: Vec<&str> = several.iter().map(|job| job.id.as_str()).collect();
            Err(Error::Usage(format!("\\cancel: {} jobs are running; name one of {}", ids.len(), ids.join(", "))))
        }
    }
}

/// The columns of the terminal.
fn columns() -> usize {
    usize::from(Term::stdout().size().1)
}

/// The lines, each cut where the terminal ends.
fn in_columns(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", cut(line, columns()))).collect()
}

/// The path, with the home directory for `~`.
fn with_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), etcetera::choose_base_strategy()) {
        (Some(rest), Ok(directories)) => directories.home_dir().join(rest),
        _ => PathBuf::from(path),
    }
}
