//! Machines on a network of their own: each is a network namespace with its address, and has a disk that no other sees.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What all names of namespaces and links begin with, before the number of the process that has made them.
const PREFIX: &str = "pm";
/// Networks of a process so far.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// Machines at a bridge, taken away when this is dropped. Needs root; this process is at the bridge, too.
pub(crate) struct Network {
    name: String,
    /// The bridge's address; the machines' follow it.
    pub(crate) address: Ipv4Addr,
    machines: usize,
}

impl Network {
    /// A network of so many machines, 12 at most; `None`, with a message, where this process may not make one.
    pub(crate) fn of(machines: usize) -> Option<Self> {
        remove_what_is_left();
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}n{number}", std::process::id());
        let mut network = Self { name, address: free_subnet(number), machines: 0 };
        if let Err(said) = network.try_machine() {
            eprintln!("skipped: no network namespaces here: {}", said.trim());
            return None;
        }
        let bridge = &network.name;
        for arguments in [
            format!("link add {bridge} type bridge"),
            format!("address add {}/28 dev {bridge}", network.address),
            format!("link set {bridge} up"),
        ] {
            ip(&arguments).expect("a bridge");
        }
        while network.machines < machines {
            network.add_machine().expect("a machine");
        }
        Some(network)
    }

    /// Whether namespaces can be made and entered, and have file systems of their own.
    fn try_machine(&self) -> Result<(), String> {
        ip(&format!("netns add {}", self.name))?;
        let entered = ip(&format!("netns exec {} mount -t tmpfs none /mnt", self.name));
        ip(&format!("netns del {}", self.name))?;
        entered
    }

    fn add_machine(&mut self) -> Result<(), String> {
        let (machine, link) = (self.name_of(self.machines), self.link_of(self.machines));
        let address = self.address_of(self.machines);
        self.machines += 1;
        for arguments in [
            format!("netns add {machine}"),
            format!("link add {link} type veth peer name eth0 netns {machine}"),
            format!("link set {link} master {} up", self.name),
            format!("-n {machine} address add {address}/28 dev eth0"),
            format!("-n {machine} link set eth0 up"),
            format!("-n {machine} link set lo up"),
        ] {
            ip(&arguments)?;
        }
        Ok(())
    }

    fn name_of(&self, machine: usize) -> String {
        format!("{}m{machine}", self.name)
    }

    /// The bridge's end of a machine's cable.
    fn link_of(&self, machine: usize) -> String {
        format!("{}l{machine}", self.name)
    }

    /// A machine's address.
    pub(crate) fn address_of(&self, machine: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() + 1 + machine as u32)
    }

    /// The binary on a machine, in an empty directory: what is at `disk` elsewhere isn't seen there, nor the other way round. Of this
    /// process's environment it has nothing but `PATH`.
    pub(crate) fn command(&self, machine: usize, disk: &Path) -> Command {
        let mut command = Command::new("ip");
        let script = "mount -t tmpfs none \"$0\" && cd \"$0\" && exec \"$@\"";
        command.args(["netns", "exec", &self.name_of(machine), "sh", "-c", script]).arg(disk);
        command.arg(env!("CARGO_BIN_EXE_pixmill")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", disk).env("TMPDIR", disk);
        command
    }

    /// Cuts a machine off, without a word to anybody.
    pub(crate) fn cut(&self, machine: usize) {
        ip(&format!("link set {} nomaster", self.link_of(machine))).expect("cut off");
    }

    /// Connects a machine again that was cut off.
    pub(crate) fn join(&self, machine: usize) {
        ip(&format!("link set {} master {}", self.link_of(machine), self.name)).expect("connected");
    }

    /// Cuts two machines off from each other, and from nothing else.
    pub(crate) fn part(&self, one: usize, other: usize) {
        self.route("add", one, other);
    }

    /// Ends what [`Self::part`] has begun.
    pub(crate) fn reunite(&self, one: usize, other: usize) {
        self.route("del", one, other);
    }

    fn route(&self, verb: &str, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            let route = format!("-n {} route {verb} blackhole {}", self.name_of(from), self.address_of(to));
            ip(&route).expect("a route");
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in 0..self.machines {
            // A link is gone with either of its ends, and what wasn't made needs no end.
            let _ = ip(&format!("link del {}", self.link_of(machine)));
            let _ = ip(&format!("netns del {}", self.name_of(machine)));
        }
        let _ = ip(&format!("link del {}", self.name));
    }
}

/// Runs `ip`; what it says where it fails.
fn ip(arguments: &str) -> Result<(), String> {
    let done = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&done.stderr))),
    }
}

fn said_by_ip(arguments: &[&str]) -> String {
    let done = Command::new("ip").args(arguments).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default()
}

/// The first address of a subnet that this network may take for itself: of those for benchmarks, 198.18.0.0/15, each of 16. Networks that
/// are made at the same time look for theirs in different places.
fn free_subnet(network: u32) -> Ipv4Addr {
    let taken = said_by_ip(&["-o", "-4", "address"]);
    let first = std::process::id() + 97 * network;
    let subnets = (0..8192).map(|number| 0xc612_0000 + ((first + number) % 8192) * 16);
    let mut addresses = subnets.map(|subnet| Ipv4Addr::from_bits(subnet + 1));
    addresses.find(|address| !taken.contains(&format!(" {address}/"))).expect("a subnet")
}

/// Takes away the namespaces and bridges of processes that were killed before they could.
fn remove_what_is_left() {
    let is_left = |name: &&str| {
        let number = name.strip_prefix(PREFIX).and_then(|rest| rest.split('n').next()?.parse::<u32>().ok());
        number.is_some_and(|number| !Path::new(&format!("/proc/{number}")).exists())
    };
    let namespaces = said_by_ip(&["netns", "list"]);
    for name in namespaces.lines().filter_map(|line| line.split(' ').next()).filter(is_left) {
        // Another test may be at it, too.
        let _ = ip(&format!("netns del {name}"));
    }
    let links = said_by_ip(&["-o", "link"]);
    let links = links.lines().filter_map(|line| line.split([':', '@']).nth(1)).map(str::trim);
    for name in links.filter(is_left) {
        let _ = ip(&format!("link del {name}"));
    }
}
