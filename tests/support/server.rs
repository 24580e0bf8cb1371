//! A real `pixmill serve` for one test, and clients for it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{FlightInfo, Ticket};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use tempfile::NamedTempFile;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Code, Status};

use super::{Finished, Workspace};

/// A client of the server.
pub(crate) type FlightClient = FlightSqlServiceClient<Channel>;

/// A server, killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// As it was printed: `grpc://127.0.0.1:50060`.
    pub(crate) uri: String,
    log: NamedTempFile,
}

impl Server {
    /// A server in a workspace, with these further arguments.
    pub(crate) fn start(workspace: &Workspace, arguments: &[&str]) -> Self {
        Self::start_with_token(workspace, arguments, None)
    }

    /// As [`Self::start`], with a token in its environment.
    pub(crate) fn start_with_token(workspace: &Workspace, arguments: &[&str], token: Option<&str>) -> Self {
        let mut command = command(workspace, token);
        command.args(["--bind", "127.0.0.1:0"]).args(arguments).env("PIXMILL_LOG", "pixmill=info");
        command.envs(workspace.environment.iter().map(|(name, value)| (name, value)));
        let log = NamedTempFile::new().expect("a file");
        command.stderr(log.reopen().expect("a file"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its stdout")).read_line(&mut line).expect("its address");
        let server = Self { child, uri: line.trim().to_string(), log };
        assert!(server.uri.starts_with("grpc"), "{}", server.log());
        server
    }

    /// What it has said on stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("its log")
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.uri.rsplit('/').next().expect("an address")
    }

    /// A client on a connection of its own.
    pub(crate) async fn client(&self) -> FlightClient {
        let endpoint = Channel::from_shared(format!("http://{}", self.address())).expect("a URL");
        of_channel(endpoint.connect().await.expect("a connection"))
    }

    /// A client on an encrypted connection.
    pub(crate) async fn secure_client(&self, certificate: &str) -> Result<FlightClient, tonic::transport::Error> {
        let url = format!("https://{}", self.address());
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(certificate)).domain_name("localhost");
        let endpoint = Channel::from_shared(url).expect("a URL").tls_config(tls)?;
        Ok(of_channel(endpoint.connect().await?))
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) fn stop(mut self) -> i32 {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("ended").code().unwrap_or(-1)
    }

    /// Processor time that it has taken, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux tells");
        let after_name = stat.rsplit(')').next().expect("fields").split_whitespace();
        after_name.skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
    }

    /// Waits until it does next to nothing.
    pub(crate) fn wait_until_idle(&self) {
        super::cluster::eventually("an idle server", || {
            let before = self.ticks();
            std::thread::sleep(std::time::Duration::from_millis(300));
            self.ticks() - before <= 3
        });
    }

    /// MiB of memory that it has, and has had at most.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux tells");
        let field = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
            line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
        };
        (field("VmRSS:") / 1024, field("VmHWM:") / 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended needs no more than this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server that is to end by itself.
pub(crate) fn serve(workspace: &Workspace, arguments: &[&str], token: Option<&str>) -> Finished {
    Finished::of(&command(workspace, token).args(arguments).output().expect("the binary starts"))
}

fn command(workspace: &Workspace, token: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
    command.current_dir(workspace.path("")).env_remove("PIXMILL_LOG").env_remove("PIXMILL_TOKEN").arg("serve");
    command.envs(token.map(|token| ("PIXMILL_TOKEN", token)));
    command
}

fn of_channel(channel: Channel) -> FlightClient {
    let client = FlightServiceClient::new(channel).max_decoding_message_size(64 << 20);
    FlightSqlServiceClient::new_from_inner(client)
}

/// Fetches all rows that were promised.
pub(crate) async fn fetch(client: &mut FlightClient, info: FlightInfo) -> Result<Vec<RecordBatch>, Status> {
    client.do_get(ticket(&info)).await.map_err(status)?.try_collect().await.map_err(status)
}

/// The one ticket.
pub(crate) fn ticket(info: &FlightInfo) -> Ticket {
    assert_eq!(info.endpoint.len(), 1);
    info.endpoint[0].ticket.clone().expect("a ticket")
}

/// Runs a statement, and fetches its rows.
pub(crate) async fn rows(client: &mut FlightClient, sql: &str) -> Result<Vec<RecordBatch>, Status> {
    let info = client.execute(sql.to_string(), None).await.map_err(status)?;
    fetch(client, info).await
}

/// The rows of a statement as lines, one for each: values with ` | ` between.
pub(crate) async fn lines(client: &mut FlightClient, sql: &str) -> Vec<String> {
    lines_of(&rows(client, sql).await.unwrap_or_else(|status| panic!("{sql}: {status}")))
}

/// Rows as lines.
pub(crate) fn lines_of(rows: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(rows).expect("a table").to_string();
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" | "));
    cells.collect()
}

/// What the server has said.
pub(crate) fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => panic!("{other}"),
    }
}

/// A statement that fails: its code and message.
pub(crate) async fn failure(client: &mut FlightClient, sql: &str) -> (Code, String) {
    match rows(client, sql).await {
        Ok(_) => panic!("{sql} doesn't fail"),
        Err(status) => (status.code(), status.message().to_string()),
    }
}
