//! A web server for tests, on an address of this machine: each path has answers, some of them bad.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a path answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    fault: Fault,
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// As it should be.
    None,
    /// After a while.
    Late(Duration),
    /// So many bytes of the body, then the end of the connection.
    Cut(usize),
    /// Half of the body, then nothing for a while.
    Stall(Duration),
    /// Not at all.
    Dropped,
}

impl Answer {
    /// An image, or whatever these bytes are.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { status: "200 OK", headers: Vec::new(), body: body.to_vec(), fault: Fault::None }
    }

    /// A status such as `404 Not Found`.
    pub(crate) fn status(status: &'static str) -> Self {
        Self { status, ..Self::of(b"<html>no image</html>") }
    }

    /// Another place.
    pub(crate) fn redirect(target: &str) -> Self {
        Self::status("302 Found").header("Location", target)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    pub(crate) fn fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// With its query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Vec<Answer>>>,
    requests: Mutex<Vec<Request>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A server; its threads end with the test's process.
pub(crate) struct Web {
    shared: Arc<Shared>,
    address: String,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { shared, address }
    }

    /// `http://127.0.0.1:PORT/` and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("a port")
    }

    /// What a path answers, whatever its query is.
    pub(crate) fn put(&self, path: &str, answer: Answer) {
        self.put_all(path, vec![answer]);
    }

    /// What a path answers to one request after the other, the last of it to all further ones.
    pub(crate) fn put_all(&self, path: &str, answers: Vec<Answer>) {
        self.shared.answers.lock().expect("answers").insert(format!("/{path}"), answers);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("requests").clone()
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        let is_it = |request: &&Request| request.target.split('?').next() == Some(&format!("/{path}"));
        self.requests().iter().filter(is_it).count()
    }

    /// The most requests that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        let path = request.target.split('?').next().unwrap_or_default().to_string();
        let answer = match shared.answers.lock().expect("answers").get_mut(&path) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => Answer::status("404 Not Found"),
        };
        shared.requests.lock().expect("requests").push(request);
        let is_kept = send(stream, &answer);
        shared.now.fetch_sub(1, Ordering::SeqCst);
        if is_kept.is_none() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_string();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_string()),
            None => return Some(Request { target, headers }),
        };
    }
}

/// Sends an answer; `None` where the connection is of no further use.
fn send(mut stream: &TcpStream, answer: &Answer) -> Option<()> {
    match answer.fault {
        Fault::Dropped => return None,
        Fault::Late(time) => thread::sleep(time),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let sent = match answer.fault {
        Fault::Cut(bytes) => &answer.body[..bytes],
        Fault::Stall(_) => &answer.body[..answer.body.len() / 2],
        _ => &answer.body,
    };
    let bytes = [format!("{head}\r\n").as_bytes(), sent].concat();
    stream.write_all(&bytes).ok()?;
    if let Fault::Stall(time) = answer.fault {
        thread::sleep(time);
    }
    (sent.len() == answer.body.len()).then_some(())
}
