//! The sink's nodes as bytes, for other processes.

use std::sync::Arc;

use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{CommitExec, ShardSinkExec, SinkOptions, Target, WriteShardsNode};
use crate::format::manifest::Reject;

#[derive(Serialize, Deserialize)]
struct SinkWire {
    target: Target,
    running: usize,
    parts: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct CommitWire {
    target: Target,
    partitions: Option<usize>,
    still_rejected: Vec<Reject>,
}

#[derive(Serialize, Deserialize)]
struct NodeWire {
    target: String,
    options: SinkOptions,
    partition_by: Vec<String>,
    visible: usize,
    shuffle_seed: Option<u64>,
}

fn to_bytes(node: &str, wire: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(wire).map_err(|error| internal_datafusion_err!("{node} can't be sent: {error}"))
}

fn from_bytes<T: DeserializeOwned>(node: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| internal_datafusion_err!("{node} can't be read: {error}"))
}

impl ShardSinkExec {
    /// The node without its input.
    ///
    /// # Errors
    /// A path that isn't UTF-8.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let wire = SinkWire { target: self.target().clone(), running: self.running(), parts: self.parts() };
        to_bytes("ShardSinkExec", &wire)
    }

    /// The node with an input.
    ///
    /// # Errors
    /// Bytes that are not those of this node.
    pub(crate) fn decode(bytes: &[u8], input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let SinkWire { target, running, parts } = from_bytes("ShardSinkExec", bytes)?;
        Ok(Self::new(input, Arc::new(target), running, parts))
    }
}

impl CommitExec {
    /// The node without its input.
    ///
    /// # Errors
    /// A path that isn't UTF-8.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let (target, still_rejected) = (self.target().clone(), self.still_rejected().to_vec());
        to_bytes("CommitExec", &CommitWire { target, partitions: self.partitions(), still_rejected })
    }

    /// The node with an input.
    ///
    /// # Errors
    /// Bytes that are not those of this node.
    pub(crate) fn decode(bytes: &[u8], input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let CommitWire { target, partitions, still_rejected } = from_bytes("CommitExec", bytes)?;
        Ok(Self::new(input, Arc::new(target), partitions, still_rejected.into()))
    }
}

impl WriteShardsNode {
    /// The node without its input.
    ///
    /// # Errors
    /// None in practice: all of it is text and numbers.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let wire = NodeWire {
            target: self.target.clone(),
            options: self.options.clone(),
            partition_by: self.partition_by.clone(),
            visible: self.visible,
            shuffle_seed: self.shuffle_seed,
        };
        to_bytes("WriteShards", &wire)
    }

    /// The node with an input.
    ///
    /// # Errors
    /// Bytes that are not those of this node.
    pub(crate) fn decode(bytes: &[u8], input: LogicalPlan) -> Result<Self> {
        let NodeWire { target, options, partition_by, visible, shuffle_seed } = from_bytes("WriteShards", bytes)?;
        Self::try_new(input, target, options, partition_by, visible, shuffle_seed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::logical_expr::LogicalPlanBuilder;

    use super::*;
    use crate::sink::{Format, testing};

    fn options(format: Format) -> SinkOptions {
        let given = [("shards", "7"), ("max_rejects", "3"), ("prefix", "x"), ("overwrite", "true")];
        let given: HashMap<_, _> = given.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        SinkOptions::try_new(format, &given, &[]).expect("options")
    }

    fn target(format: Format) -> Target {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("a"), "a").expect("a file");
        let list = DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float32, false)), 3);
        let fields = vec![
            Field::new("image", DataType::Binary, true).with_metadata([("a".into(), "b".into())].into()),
            Field::new("tensor", list, true),
        ];
        Target {
            options: options(format),
            partition_by: vec!["split".to_string()],
            reject_columns: Some([1, 2, 3]),
            schema: Arc::new(Schema::new(fields)),
            classes: Some(vec!["daisy".to_string(), "ö".to_string()]),
            class_column: Some("class".to_string()),
            carried: [("image".to_string(), serde_json::json!({ "_type": "Image" }))].into(),
            shuffle_seed: Some(u64::MAX),
            resume: true,
            retry: Some(3),
            replaces: crate::storage::Stamp::of(&directory.path().join("a")),
            ..testing::target(directory.path())
        }
    }

    #[test]
    fn nodes_survive_the_wire() {
        for format in Format::ALL.iter().copied() {
            let (input, target) = (testing::input(&[&[1], &[2]]), Arc::new(target(format)));
            for parts in [Some(7), None] {
                let sink = ShardSinkExec::new(Arc::clone(&input), Arc::clone(&target), 5, parts);
                let read = ShardSinkExec::decode(&sink.encode().expect("bytes"), Arc::clone(&input)).expect("the node");
                assert_eq!((read.target(), read.running(), read.parts()), (target.as_ref(), 5, parts));
            }
            let sink = ShardSinkExec::new(Arc::clone(&input), Arc::clone(&target), 5, None);
            // On an executor there is no sink below the commit, which still knows how many partitions there were.
            let reject = |path: Option<&str>| Reject {
                path: path.map(str::to_string),
                stage: "read".into(),
                class: "missing".into(),
                reason: "it isn't there".into(),
            };
            let rejects = [reject(None), reject(Some("a"))];
            let commit = CommitExec::new(Arc::new(sink), Arc::clone(&target), None, rejects.clone().into());
            let read = CommitExec::decode(&commit.encode().expect("bytes"), input).expect("the node");
            assert_eq!((read.target(), read.partitions()), (target.as_ref(), Some(2)));
            assert_eq!(read.still_rejected(), rejects);
        }
    }

    #[test]
    fn the_logical_node_survives_the_wire() {
        let input = LogicalPlanBuilder::empty(true).build().expect("a plan");
        for format in Format::ALL.iter().copied() {
            let by = vec!["split".to_string()];
            let node = WriteShardsNode::try_new(input.clone(), "out".to_string(), options(format), by, 4, Some(9));
            let node = node.expect("a node");
            let read = WriteShardsNode::decode(&node.encode().expect("bytes"), input.clone()).expect("the node");
            assert_eq!(read, node);
        }
        assert!(WriteShardsNode::decode(b"{}", input).is_err());
    }
}
