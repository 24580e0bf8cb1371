//! The binary in a terminal of 100 columns and 30 rows: what is typed, and what stands on the screen.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::Workspace;

const ROWS: u16 = 30;
const COLUMNS: u16 = 100;
/// The prompt, behind which the cursor waits.
const PROMPT: &str = "pixmill> ";
/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keys that are no letters.
pub(crate) mod key {
    pub(crate) const ENTER: &str = "\r";
    pub(crate) const TAB: &str = "\t";
    pub(crate) const UP: &str = "\x1b[A";
    pub(crate) const DOWN: &str = "\x1b[B";
    pub(crate) const RIGHT: &str = "\x1b[C";
    pub(crate) const HOME: &str = "\x1b[H";
    pub(crate) const END: &str = "\x1b[F";
    pub(crate) const DELETE: &str = "\x1b[3~";
    pub(crate) const BACKSPACE: &str = "\x7f";
    pub(crate) const CTRL_C: &str = "\x03";
    pub(crate) const CTRL_D: &str = "\x04";
    pub(crate) const CTRL_L: &str = "\x0c";
    pub(crate) const CTRL_R: &str = "\x12";
}

/// A terminal that runs the binary in a workspace; killed when this is dropped.
pub(crate) struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// Open as long as there is somebody to look at the screen.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts a shell and waits for its prompt.
    pub(crate) fn shell(workspace: &Workspace, args: &[&str]) -> Self {
        let mut all = vec!["sql"];
        all.extend(args);
        let terminal = Self::start(workspace, &all, &[]);
        terminal.wait_for_prompt();
        terminal
    }

    /// Starts the binary. The user's directories are the workspace's `home`.
    pub(crate) fn start(workspace: &Workspace, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pixmill"));
        command.args(args);
        command.cwd(workspace.path(""));
        for name in ["PIXMILL_LOG", "PIXMILL_HISTORY", "PIXMILL_INIT", "NO_COLOR", "CLICOLOR", "TERM_PROGRAM"] {
            command.env_remove(name);
        }
        for (name, below) in [("HOME", ""), ("XDG_STATE_HOME", "/state"), ("XDG_CONFIG_HOME", "/config")] {
            let path = workspace.path(&format!("home{below}"));
            command.env(name, path);
        }
        command.env("TERM", "xterm-256color");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        // Its end is seen only when nobody else has the other side open.
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
        let mut output = pair.master.try_clone_reader().expect("its output");
        let drawn = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                drawn.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
            }
        });
        let keyboard = pair.master.take_writer().expect("its keyboard");
        Self { screen, keyboard, child, _master: pair.master }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("typed");
        self.keyboard.flush().expect("typed");
    }

    /// Types a line and waits until it is done.
    pub(crate) fn run(&mut self, line: &str) {
        self.press(line);
        // The prompt of before must not be taken for that of after.
        self.wait_until("what was typed", |screen| !is_at_prompt(screen));
        self.press(key::ENTER);
        self.wait_for_prompt();
    }

    /// Wipes the screen but for the prompt.
    pub(crate) fn clear(&mut self) {
        self.press(key::CTRL_L);
        self.wait_until("an empty screen", |screen| screen.contents().trim_end() == PROMPT.trim_end());
    }

    /// Wipes the screen, types a line and waits until it is done.
    pub(crate) fn clear_and_run(&mut self, line: &str) {
        self.clear();
        self.run(line);
    }

    /// Drops what is typed.
    pub(crate) fn drop_typed(&mut self) {
        self.press(key::CTRL_C);
        self.wait_for_prompt();
    }

    /// Waits until a text stands on the screen.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    /// Waits until the shell does, with nothing typed.
    #[track_caller]
    pub(crate) fn wait_for_prompt(&self) {
        self.wait_until("the prompt", is_at_prompt);
    }

    /// Waits until a statement runs: its line is left, and nothing is asked.
    #[track_caller]
    pub(crate) fn wait_for_start(&self) {
        self.wait_until("a statement that runs", |screen| screen.cursor_position().1 == 0);
    }

    /// Waits for the end; the exit code.
    pub(crate) fn wait_for_end(mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "no end\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What stands on the screen, without what differs from run to run.
    pub(crate) fn screen(&self) -> String {
        let contents = self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen().contents();
        let lines: Vec<&str> = contents.trim_end().lines().map(str::trim_end).collect();
        redacted(&lines.join("\n"))
    }

    /// Whether a text stands on the screen in colour.
    pub(crate) fn is_coloured(&self, text: &str) -> bool {
        let parser = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = parser.screen();
        let found = screen.rows(0, COLUMNS).enumerate().find_map(|(row, line)| Some((row, line.find(text)?)));
        let (row, column) = found.expect("the text on the screen");
        let cell = screen.cell(row as u16, column as u16).expect("a cell");
        cell.fgcolor() != vt100::Color::Default
    }

    #[track_caller]
    fn wait_until(&self, what: &str, is_there: impl Fn(&vt100::Screen) -> bool) {
        let started = Instant::now();
        loop {
            if is_there(self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen()) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "'{what}' didn't come\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether the cursor waits behind the prompt.
fn is_at_prompt(screen: &vt100::Screen) -> bool {
    let (row, column) = screen.cursor_position();
    let line = screen.rows(0, COLUMNS).nth(usize::from(row)).unwrap_or_default();
    usize::from(column) == PROMPT.len() && line.trim_end() == PROMPT.trim_end()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that is gone needs no more than this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Times differ from run to run, threads from machine to machine, versions from release to release.
fn redacted(screen: &str) -> String {
    let screen = screen.replace(concat!("pixmill ", env!("CARGO_PKG_VERSION")), "pixmill VERSION");
    let is_number = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |(index, word): (usize, &&str)| match words.get(index + 1) {
            Some(&"s") if is_number(word) => "N".to_string(),
            Some(&("thread;" | "threads;")) => "N".to_string(),
            _ => (*word).to_string(),
        };
        words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
    };
    screen.lines().map(line).collect::<Vec<_>>().join("\n")
}
