//! What is measured on: the machine and the process, in words.

use std::sync::OnceLock;

use datafusion::prelude::SessionConfig;
use indicatif::HumanBytes;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::exec::Worker;
use crate::words::counted;

/// A machine, and the process on it that measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) host: String,
    pub(super) executor: String,
    pub(super) vcores: usize,
    /// Processor, cores, memory and system.
    pub(super) description: String,
}

impl Machine {
    /// The one that a session runs on.
    pub(super) fn of(config: &SessionConfig) -> Self {
        let worker = Worker::of(config);
        Self {
            host: System::host_name().unwrap_or_else(|| "unknown".to_string()),
            executor: worker.name.clone(),
            vcores: worker.vcores,
            description: description().to_string(),
        }
    }
}

fn description() -> &'static str {
    static DESCRIPTION: OnceLock<String> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(kinds);
        let processor = system.cpus().first().map(|cpu| cpu.brand().trim()).unwrap_or_default();
        let parts = [
            processor.to_string(),
            counted(system.cpus().len() as u64, "core"),
            HumanBytes(system.total_memory()).to_string(),
            format!("{} {}", System::name().unwrap_or_default(), System::kernel_version().unwrap_or_default()),
        ];
        let known = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
        known.collect::<Vec<_>>().join(", ")
    })
}
