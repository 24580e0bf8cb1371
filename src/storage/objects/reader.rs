//! Reading an object from its start to its end, or from anywhere: in ranges that are asked for ahead.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use datafusion::common::Result;
use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use prost::bytes::Bytes;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::find::within;
use super::read::{Fault, GONE, Part, Request, read};
use super::stores::Stores;
use crate::storage::AllowList;
use crate::words::of_store;

/// A file or an object as it was listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) bytes: u64,
    /// How a store names this version of an object, where it tells.
    pub(crate) etag: Option<String>,
}

/// How an object is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranges {
    /// Bytes of a range, which is one request.
    pub(crate) bytes: u64,
    /// Ranges that are asked for before they are needed, at most.
    pub(crate) ahead: usize,
}

impl Ranges {
    /// For all of an object, or a long part of it: no answer takes long, and the next ones are on their way.
    pub(crate) const WHOLE: Self = Self { bytes: 8 << 20, ahead: 3 };
    /// For the beginning of an object.
    pub(crate) const BEGINNING: Self = Self { bytes: 1 << 20, ahead: 1 };
    /// For some bytes here and there.
    pub(crate) const PLACES: Self = Self { bytes: 4 << 10, ahead: 0 };
}

/// Reads an object; all that it gives is of one version. It waits for the store: it is for threads that may.
pub(crate) struct ObjectReader {
    object: Arc<Object>,
    io: Handle,
    ranges: Ranges,
    version: Version,
    /// Nothing behind this byte is asked for ahead.
    expected_end: u64,
    position: u64,
    /// The bytes at hand, and where they begin.
    bytes: Bytes,
    start: u64,
    ahead: VecDeque<Ahead>,
    /// Ranges that were used up one after the other.
    followed: usize,
}

/// What is read.
struct Object {
    url: String,
    path: ObjectPath,
    store: Arc<dyn ObjectStore>,
}

/// A range that was asked for.
struct Ahead {
    range: Range<u64>,
    answer: oneshot::Receiver<std::result::Result<Part, Fault>>,
}

/// Why an object can't be read, where that says nothing of what is in it.
#[derive(Debug, Error)]
#[error("{0}")]
pub(in crate::storage) struct StoreFailure(pub(in crate::storage) String);

/// Whether reading failed because of an object's store, and not of what is in the object.
pub(crate) fn is_of_store(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        cause = match error.downcast_ref::<io::Error>() {
            // What an error holds is passed over by its `source`.
            Some(error) => error.get_ref().map(|inner| inner as _),
            None if error.is::<StoreFailure>() => return true,
            None => error.source(),
        };
    }
    false
}

impl ObjectReader {
    /// Opens an object at its start. Nothing has been asked yet.
    ///
    /// # Errors
    /// A URL that is none or leads outside of the allow-list, or a store that can't be opened.
    pub(crate) fn open(
        stores: &Stores,
        allow: &AllowList,
        location: &str,
        version: Version,
        ranges: Ranges,
    ) -> Result<Self> {
        let (bucket, path) = within(allow, location)?;
        let object = Object { url: location.to_string(), path, store: stores.store(&bucket)? };
        Ok(Self {
            object: Arc::new(object),
            io: stores.io().clone(),
            ranges,
            expected_end: version.bytes,
            version,
            position: 0,
            bytes: Bytes::new(),
            start: 0,
            ahead: VecDeque::new(),
            followed: 0,
        })
    }

    /// Asks for the first range, which is read soon.
    pub(in crate::storage) fn begin(&mut self) {
        if self.version.bytes > 0 {
            let first = self.ask(0);
            self.ahead.push_back(first);
        }
    }

    /// Asks for nothing behind this byte before it is needed.
    pub(in crate::storage) fn expect_end(&mut self, end: u64) {
        self.expected_end = end.min(self.version.bytes);
    }

    /// How many bytes the object has.
    pub(in crate::storage) fn len(&self) -> u64 {
        self.version.bytes
    }

    fn is_at_hand(&self) -> bool {
        self.position.checked_sub(self.start).is_some_and(|from| from < self.bytes.len() as u64)
    }

    /// Waits for the range that holds the position, and asks for those behind it.
    fn fetch(&mut self) -> io::Result<()> {
        while self.ahead.front().is_some_and(|ahead| !ahead.range.contains(&self.position)) {
            self.ahead.pop_front();
        }
        let first = match self.ahead.pop_front() {
            Some(first) => first,
            None => {
                self.followed = 0;
                self.ask(self.position)
            }
        };
        let mut end = self.ahead.back().map_or(first.range.end, |ahead| ahead.range.end);
        // Whoever reads no more than the beginning isn't sent all of it.
        let wanted = self.ranges.ahead.min(self.followed + 1);
        while self.ahead.len() < wanted && end < self.expected_end {
            let next = self.ask(end);
            end = next.range.end;
            self.ahead.push_back(next);
        }
        let part = match first.answer.blocking_recv() {
            Ok(Ok(part)) => part,
            Ok(Err(fault)) => return Err(self.failed(fault)),
            Err(_) => return Err(failure("the process is about to end".to_string())),
        };
        match (&self.version.etag, part.etag) {
            (Some(known), Some(found)) if *known != found => {
                return Err(failure(format!(
                    "'{}' was replaced since it was listed or while it was read: its version is {found}, and was {known}",
                    self.object.url
                )));
            }
            (None, Some(found)) => self.version.etag = Some(found),
            _ => {}
        }
        (self.bytes, self.start) = (part.bytes, first.range.start);
        self.followed += 1;
        Ok(())
    }

    /// Asks for the range that begins here.
    fn ask(&self, start: u64) -> Ahead {
        let range = start..start.saturating_add(self.ranges.bytes.max(1)).min(self.version.bytes);
        let object = Arc::clone(&self.object);
        let request = Request {
            path: object.path.clone(),
            range: Some(range.clone()),
            listed: Some(self.version.bytes),
            most: usize::MAX,
        };
        let (mut sender, answer) = oneshot::channel();
        self.io.spawn(async move {
            tokio::select! {
                part = read(object.store.as_ref(), &request) => {
                    let _ = sender.send(part);
                }
                // Nobody wants it any more.
                () = sender.closed() => {}
            }
        });
        Ahead { range, answer }
    }

    fn failed(&self, fault: Fault) -> io::Error {
        match fault {
            // As of a file that was there when it was listed.
            Fault::Gone if self.bytes.is_empty() => io::Error::new(io::ErrorKind::NotFound, GONE),
            Fault::Gone => failure(format!("'{}' was deleted while it was read", self.object.url)),
            Fault::OfObject(unread) => failure(unread.reason),
            Fault::OfStore(error) => failure(of_store(&error)),
        }
    }
}

fn failure(reason: String) -> io::Error {
    io::Error::other(StoreFailure(reason))
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.version.bytes {
            return Ok(0);
        }
        if !self.is_at_hand() {
            self.fetch()?;
        }
        let unread = &self.bytes[(self.position - self.start) as usize..];
        let read = unread.len().min(buffer.len());
        buffer[..read].copy_from_slice(&unread[..read]);
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        let position = match place {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(behind) => self.version.bytes.checked_add_signed(behind),
            SeekFrom::Current(behind) => self.position.checked_add_signed(behind),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").field("url", &self.object.url).field("position", &self.position).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use pixmill_object_server::{Action, Operation, Options, Rule, Server};
    use proptest::prelude::*;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::storage::StoreSettings;

    const URL: &str = "s3://records/a b/%20.tfrec";
    const KEY: &str = "a b/%20.tfrec";

    struct Site {
        server: Server,
        // Stops behind the others.
        stores: Stores,
        _io: Runtime,
    }

    impl Site {
        fn with(bytes: &[u8]) -> Self {
            let server = Server::start(Options::default());
            server.make_bucket("records");
            server.put("records", KEY, bytes.to_vec());
            let rule = format!("s3://records,endpoint={},anonymous=true", server.endpoint());
            let io = Runtime::new().expect("a runtime");
            let settings = StoreSettings::new(vec![rule.parse().expect("a rule")]);
            Self { server, stores: Stores::new(settings, io.handle().clone()), _io: io }
        }

        fn listed(&self) -> Version {
            self.stores.look_at(&AllowList::default(), URL).expect("a look").expect("there")
        }

        fn open(&self, version: Version, bytes: u64, ahead: usize) -> ObjectReader {
            let ranges = Ranges { bytes, ahead };
            ObjectReader::open(&self.stores, &AllowList::default(), URL, version, ranges).expect("opened")
        }

        fn read(&self, bytes: u64, ahead: usize) -> io::Result<Vec<u8>> {
            let mut read = Vec::new();
            self.open(self.listed(), bytes, ahead).read_to_end(&mut read).map(|_| read)
        }

        /// The ranges that were asked for.
        fn ranges(&self) -> Vec<String> {
            let requests = self.server.requests().into_iter().filter(|request| request.operation == Operation::Get);
            requests.filter_map(|request| request.range).collect()
        }
    }

    /// Bytes that tell where they are.
    fn some(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    #[test]
    fn no_more_is_asked_for_than_is_read_soon() {
        // Of each a store of its own: what was given up may still come.
        let asked = |read: &dyn Fn(&Site)| {
            let site = Site::with(&some(1000));
            read(&site);
            let mut ranges = site.ranges();
            ranges.sort();
            ranges
        };
        let mut few = asked(&|site| {
            let mut byte = [0];
            site.open(site.listed(), 100, 3).read_exact(&mut byte).expect("a byte");
        });
        few.retain(|range| range != "bytes=100-199");
        assert_eq!(few, ["bytes=0-99"]);
        let part = asked(&|site| {
            let mut reader = site.open(site.listed(), 100, 3);
            reader.expect_end(250);
            reader.read_exact(&mut [0; 250]).expect("a part");
        });
        assert_eq!(part, ["bytes=0-99", "bytes=100-199", "bytes=200-299"]);
        let all = asked(&|site| assert_eq!(site.read(300, 3).expect("all"), some(1000)));
        assert_eq!(all, ["bytes=0-299", "bytes=300-599", "bytes=600-899", "bytes=900-999"]);
        let begun = asked(&|site| {
            let mut reader = site.open(site.listed(), 300, 0);
            reader.begin();
            reader.read_exact(&mut [0]).expect("a byte");
        });
        assert_eq!(begun, ["bytes=0-299"]);
        let nothing = Site::with(b"");
        assert_eq!(nothing.read(300, 3).expect("all"), b"");
        assert_eq!(nothing.ranges(), [""; 0]);
    }

    #[test]
    fn what_comes_cut_is_asked_for_again() {
        let site = Site::with(&some(20_000));
        for action in [
            Action::status(503, "SlowDown"),
            Action::CutBody(100),
            Action::ShortFrame(50),
            Action::ShortRange(50),
            Action::CloseAtOnce,
            Action::Chunked,
        ] {
            site.server.clear_script();
            site.server.script(Rule::new(action.clone()).operation(Operation::Get).fraction(0.2, 3));
            site.server.script(Rule::new(Action::NoETag).operation(Operation::Get).fraction(0.5, 4));
            assert!(site.read(1000, 3).expect("read") == some(20_000), "{action:?}");
        }
    }

    #[test]
    fn what_comes_short_for_ever_is_an_error_and_not_an_end() {
        let site = Site::with(&some(3000));
        for (action, reason) in [
            (Action::ShortFrame(50), "of 1000 bytes from byte 1000 on 50 came"),
            (Action::status(403, "AccessDenied"), "AccessDenied"),
            (Action::status(400, "Odd"), "Odd"),
        ] {
            site.server.clear_script();
            let mut reader = site.open(site.listed(), 1000, 0);
            let mut first = vec![0; 1000];
            reader.read_exact(&mut first).expect("a range");
            site.server.script(Rule::new(action).operation(Operation::Get));
            let error = reader.read(&mut first).expect_err("cut");
            assert!(error.to_string().contains(reason) && is_of_store(&error), "{error}");
        }
    }

    #[test]
    fn an_object_is_read_as_it_was_listed_or_not_at_all() {
        let others = |change: &dyn Fn(&Server), has_etag: bool, reads_before: bool| {
            let site = Site::with(&some(3000));
            let etag = site.listed().etag.filter(|_| has_etag);
            let mut reader = site.open(Version { bytes: 3000, etag }, 1000, 0);
            let mut first = vec![0; 1000];
            if reads_before {
                reader.read_exact(&mut first).expect("a range");
            }
            change(&site.server);
            reader.read(&mut first).expect_err("changed")
        };
        let same_length = |server: &Server| server.put("records", KEY, vec![1; 3000]);
        let longer = |server: &Server| server.put("records", KEY, vec![1; 4000]);
        let gone = |server: &Server| assert!(server.delete("records", KEY));
        for (has_etag, reads_before) in [(true, true), (true, false), (false, true)] {
            let error = others(&same_length, has_etag, reads_before);
            assert!(error.to_string().contains("was replaced since it was listed") && is_of_store(&error), "{error}");
            let error = others(&longer, has_etag, reads_before);
            assert!(error.to_string().contains("listed with 3000 bytes, and has 4000"), "{error}");
        }
        let error = others(&gone, true, true);
        assert!(error.to_string().contains("was deleted while it was read") && is_of_store(&error), "{error}");
        let error = others(&gone, true, false);
        assert_eq!((error.kind(), is_of_store(&error)), (io::ErrorKind::NotFound, false));
    }

    #[test]
    fn failures_of_stores_are_known_within_other_errors() {
        let inner = || failure("x".to_string());
        assert!(is_of_store(&inner()));
        assert!(is_of_store(&io::Error::other(inner())));
        assert!(!is_of_store(&io::Error::other("x")));
        let mut archive = tar::Archive::new(Failing);
        let error = archive.entries().expect("entries").next().expect("an entry").map(|_| ()).expect_err("unreadable");
        assert!(is_of_store(&error), "{error:?}");
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(failure("x".to_string()))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn reading_anywhere_is_as_from_memory(
            places in prop::collection::vec((0_u64..1100, 0_usize..400), 1..8), bytes in 1_u64..300, ahead in 0_usize..4,
        ) {
            let site = Site::with(&some(1000));
            let (mut object, mut memory) = (site.open(site.listed(), bytes, ahead), Cursor::new(some(1000)));
            for (place, length) in places {
                let [mut read, mut expected] = [Vec::new(), Vec::new()];
                object.seek(SeekFrom::Start(place)).expect("a place");
                memory.seek(SeekFrom::Start(place)).expect("a place");
                object.by_ref().take(length as u64).read_to_end(&mut read).expect("read");
                memory.by_ref().take(length as u64).read_to_end(&mut expected).expect("read");
                prop_assert_eq!(read, expected);
                prop_assert_eq!(object.stream_position().expect("a place"), memory.stream_position().expect("a place"));
            }
        }
    }
}
