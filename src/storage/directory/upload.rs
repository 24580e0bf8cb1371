//! An object that is written in parts: it is there, whole, when it is finished.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::FuturesOrdered;
use futures::{StreamExt, TryStreamExt};
use object_store::multipart::PartId;
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, Result};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::objects::io_error;
use crate::storage::objects::OpenStore;

/// Bytes of a part. Stores want 5 MiB at least, and some want all of one size.
const PART_BYTES: usize = 8 << 20;
/// Parts of an object that are on their way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// An object that is being written. Dropped before it is finished, it is given up.
pub(crate) struct Upload {
    part: Vec<u8>,
    pieces: mpsc::Sender<Piece>,
    done: oneshot::Receiver<Result<()>>,
    /// Bytes that there may still be.
    left: u64,
    held: Arc<AtomicUsize>,
}

enum Piece {
    Part(Vec<u8>),
    Last(Vec<u8>),
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}

impl Upload {
    /// Begins an upload of an object; what waits in memory is added to `held`.
    pub(super) fn begin(store: OpenStore, io: &Handle, key: Key, held: Arc<AtomicUsize>) -> Self {
        let (pieces, receiver) = mpsc::channel(1);
        let left = store.most_copied;
        let (sender, done) = oneshot::channel();
        let sending = Sending { store, key, held: Arc::clone(&held) };
        io.spawn(async move {
            // Nobody waits for an upload that was given up.
            let _ = sender.send(sending.send(receiver).await);
        });
        Self { part: Vec::new(), pieces, done, left, held }
    }

    /// Adds bytes. It waits where too many are on their way.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            let message = "a shard has more than 5 GiB, which S3 doesn't copy in one request; write more shards";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        };
        self.left = left;
        self.part.extend_from_slice(bytes);
        self.held.fetch_add(bytes.len(), Ordering::Relaxed);
        while self.part.len() >= PART_BYTES {
            let rest = self.part.split_off(PART_BYTES);
            let part = std::mem::replace(&mut self.part, rest);
            if self.pieces.blocking_send(Piece::Part(part)).is_err() {
                return self.failure();
            }
        }
        Ok(())
    }

    /// Ends the object, and waits until it is there.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let last = std::mem::take(&mut self.part);
        // Where nobody takes it, the end says why.
        let _ = self.pieces.blocking_send(Piece::Last(last));
        match self.done.blocking_recv() {
            Ok(done) => done.map_err(|error| io_error(&error)),
            Err(_) => Err(io::Error::other("the process is about to end")),
        }
    }

    fn failure(&mut self) -> io::Result<()> {
        match self.done.try_recv() {
            Ok(Err(error)) => Err(io_error(&error)),
            _ => Err(io::Error::other("the upload has stopped")),
        }
    }
}

struct Sending {
    store: OpenStore,
    key: Key,
    held: Arc<AtomicUsize>,
}

impl Sending {
    async fn send(&self, mut pieces: mpsc::Receiver<Piece>) -> Result<()> {
        match pieces.recv().await {
            None => Ok(()),
            // Without parts it is one request.
            Some(Piece::Last(bytes)) => {
                let length = bytes.len();
                let put = self.store.objects.put(&self.key, bytes.into()).await;
                self.held.fetch_sub(length, Ordering::Relaxed);
                put.map(|_| ())
            }
            Some(Piece::Part(first)) => {
                let upload = self.store.multipart.create_multipart(&self.key).await?;
                let sent = self.send_parts(&upload, first, pieces).await;
                if !matches!(sent, Ok(true)) {
                    // The error that is told is the first.
                    let _ = self.store.multipart.abort_multipart(&self.key, &upload).await;
                }
                sent.map(|_| ())
            }
        }
    }

    /// Sends all parts, and says whether the object is there.
    async fn send_parts(&self, upload: &String, first: Vec<u8>, mut pieces: mpsc::Receiver<Piece>) -> Result<bool> {
        let (mut parts, mut ids, mut bytes) = (FuturesOrdered::new(), Vec::new(), 0);
        let mut next = Some(Piece::Part(first));
        let mut is_last = false;
        while let Some(piece) = next.take() {
            let part = match piece {
                Piece::Part(part) => part,
                Piece::Last(part) => {
                    is_last = true;
                    part
                }
            };
            if !part.is_empty() {
                bytes += part.len() as u64;
                let index = ids.len() + parts.len();
                parts.push_back(self.send_part(upload, index, part));
            }
            if is_last {
                break;
            }
            if parts.len() == PARTS_AT_ONCE
                && let Some(id) = parts.try_next().await?
            {
                ids.push(id);
            }
            next = loop {
                tokio::select! {
                    piece = pieces.recv() => break piece,
                    Some(id) = parts.next(), if !parts.is_empty() => ids.push(id?),
                }
            };
        }
        if !is_last {
            return Ok(false);
        }
        while let Some(id) = parts.try_next().await? {
            ids.push(id);
        }
        let completed = self.store.multipart.complete_multipart(&self.key, upload, ids).await;
        match completed {
            Ok(_) => Ok(true),
            // The answer to the first attempt may have been lost, and nobody else has this name.
            Err(error) => match self.store.objects.head(&self.key).await {
                Ok(there) if there.size == bytes => Ok(true),
                _ => Err(error),
            },
        }
    }

    async fn send_part(&self, upload: &String, index: usize, part: Vec<u8>) -> Result<PartId> {
        let length = part.len();
        let sent = self.store.multipart.put_part(&self.key, upload, index, part.into()).await;
        self.held.fetch_sub(length, Ordering::Relaxed);
        sent
    }
}
