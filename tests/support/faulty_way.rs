//! A way to a real server, on which a share of all requests goes wrong.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How long a body that stalls stands still.
const STALL: Duration = Duration::from_secs(2);

/// What goes wrong, in thousandths of all requests.
const FAULTS: [(Fault, u64); 5] =
    [(Fault::SlowDown, 50), (Fault::Cut, 10), (Fault::Stall, 5), (Fault::Short, 10), (Fault::NoAnswer, 10)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The server isn't asked, and says 503.
    SlowDown,
    /// The connection ends in the middle of the answer.
    Cut,
    /// The answer stands still in its middle.
    Stall,
    /// The answer has half the body, and says so in its head.
    Short,
    /// The server does what it is asked for, and nobody hears of it.
    NoAnswer,
}

/// A port that leads to a server's.
pub(crate) struct FaultyWay {
    pub(crate) port: u16,
    faults: Arc<AtomicUsize>,
}

impl FaultyWay {
    /// A way to a port of this machine. It lasts as long as the process.
    pub(crate) fn to(server: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let faults = Arc::new(AtomicUsize::new(0));
        let random = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed)));
        let counted = Arc::clone(&faults);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (random, counted) = (Arc::clone(&random), Arc::clone(&counted));
                thread::spawn(move || {
                    let number = random.lock().expect("a lock").next_u64() % 1000;
                    let fault = fault(number);
                    counted.fetch_add(usize::from(fault.is_some()), Ordering::SeqCst);
                    // Either side may go at any time.
                    let _ = serve(&client, server, fault);
                });
            }
        });
        Self { port, faults }
    }

    /// How many requests went wrong.
    pub(crate) fn faults(&self) -> usize {
        self.faults.load(Ordering::SeqCst)
    }
}

fn fault(number: u64) -> Option<Fault> {
    let mut below = 0;
    let found = FAULTS.iter().find(|(_, share)| {
        below += share;
        number < below
    });
    found.map(|(fault, _)| *fault)
}

/// Reads the head of a message, and the length of its body where it says that.
fn head(stream: &mut impl BufRead) -> io::Result<(Vec<String>, Option<usize>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_string();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok((lines, length))
}

/// A head with other values of some fields.
fn with(lines: &[String], fields: &[(&str, &str)]) -> String {
    let is_kept = |line: &&String| {
        let name = line.split(':').next().unwrap_or_default();
        !fields.iter().any(|(other, _)| name.eq_ignore_ascii_case(other))
    };
    let kept = lines.iter().filter(is_kept).map(|line| format!("{line}\r\n"));
    let added = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("{}\r\n", kept.chain(added).collect::<String>())
}

/// Serves one request, and closes the connection.
fn serve(mut client: &TcpStream, server: u16, fault: Option<Fault>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let (lines, length) = head(&mut reader)?;
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    // Lists that are cut are no lists; of an object only its length tells.
    let is_of_image = lines[0].starts_with("GET ") && lines[0].contains("/set/");
    if fault == Some(Fault::SlowDown) {
        let body = if lines[0].starts_with("HEAD ") { "" } else { "<Error><Code>SlowDown</Code></Error>" };
        let length = body.len();
        let head = "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close";
        return client.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes());
    }
    let mut server = TcpStream::connect(("127.0.0.1", server))?;
    server.write_all(with(&lines, &[("Connection", "close")]).as_bytes())?;
    server.write_all(&body)?;
    let mut server = BufReader::new(server);
    let (lines, length) = head(&mut server)?;
    let mut body = Vec::new();
    server.read_to_end(&mut body)?;
    let half = body.len() / 2;
    let whole = with(&lines, &[("Connection", "close")]);
    match fault {
        Some(Fault::NoAnswer) => Ok(()),
        Some(Fault::Cut) => {
            client.write_all(whole.as_bytes())?;
            client.write_all(&body[..half])
        }
        Some(Fault::Stall) => {
            client.write_all(whole.as_bytes())?;
            client.write_all(&body[..half])?;
            thread::sleep(STALL);
            client.write_all(&body[half..])
        }
        Some(Fault::Short) if is_of_image && length == Some(body.len()) => {
            client.write_all(
                with(&lines, &[("Connection", "close"), ("Content-Length", &half.to_string())]).as_bytes(),
            )?;
            client.write_all(&body[..half])
        }
        _ => {
            client.write_all(whole.as_bytes())?;
            client.write_all(&body)
        }
    }
}
