//! An object store in the test's own process, and the binary with an environment that reaches it.

use std::process::Command;

use pixmill_object_server::{Options, Server};

use super::cluster::Cluster;
use super::{Finished, Workspace};

pub(crate) const ACCESS: &str = "an-access-key";
/// Is looked for in everything that a run leaves.
pub(crate) const SECRET: &str = "a-marked-secret";

/// A server with a bucket, and a process's environment that reaches it.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) workspace: Workspace,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let server = Server::start(options.with_credentials(ACCESS, SECRET));
        server.make_bucket("photos");
        Self { server, workspace: Workspace::new() }
    }

    /// With so many photos in a local folder, and the same below `set/` in the bucket.
    pub(crate) fn with_photos(images: usize) -> Self {
        let mut site = Self::new();
        site.workspace = Workspace::with_photos(images, 4);
        site.workspace.write("photos/daisy/broken.jpg", b"hello");
        for (name, bytes) in site.workspace.files("photos") {
            site.server.put("photos", &format!("set/{name}"), bytes);
        }
        site
    }

    pub(crate) fn shards(&self, below: &str) -> Vec<(String, Vec<u8>)> {
        self.workspace.shards(below)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
        command.current_dir(self.workspace.path("")).env("HOME", self.workspace.path("")).args(arguments);
        for name in ["PIXMILL_LOG", "AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("AWS_ACCESS_KEY_ID", ACCESS).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_ENDPOINT_URL", self.server.endpoint()).env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Runs a statement; nothing that is said may hold the secret.
    #[track_caller]
    pub(crate) fn run(&self, mut command: Command, sql: &str) -> Finished {
        let finished = Finished::of(&command.arg(sql).output().expect("the binary starts"));
        assert!(!finished.stdout.contains(SECRET) && !finished.stderr.contains(SECRET), "{finished:?}");
        finished
    }

    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> Finished {
        self.run(self.command(&["sql", "--format", "csv", "-c"]), sql)
    }

    /// What `--store` says of the bucket.
    pub(crate) fn rule(&self) -> String {
        format!("s3://photos,endpoint={}", self.server.endpoint())
    }

    /// A cluster whose processes reach the bucket, each by a profile and a rule.
    pub(crate) fn cluster(&self, executors: usize) -> Cluster<'_> {
        let keys = format!("[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n");
        self.workspace.write(".aws/credentials", keys.as_bytes());
        Cluster::start_with(&self.workspace, executors, &["--store", &self.rule()])
    }

    /// Runs a statement on a cluster, as its processes do.
    #[track_caller]
    pub(crate) fn on(&self, cluster: &Cluster<'_>, sql: &str) -> Finished {
        let arguments = ["sql", "--format", "csv", "--cluster", &cluster.address, "--store", &self.rule(), "-c"];
        let mut command = self.command(&arguments);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        self.run(command, sql)
    }
}
