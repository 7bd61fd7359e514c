//! Metrics of the process itself under the names every Prometheus client uses, read from `/proc`.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Asked at each scrape. A value that cannot be read stays as it was.
pub(super) struct Process {
    cpu: Counter,
    resident: Gauge,
    virtual_memory: Gauge,
    open_files: Gauge,
    max_files: Gauge,
    started: Gauge,
}

/// Clock ticks a second in `/proc/*/stat`: the kernel's user-visible constant on every architecture
/// this runs on.
const TICKS: f64 = 100.0;

impl Process {
    pub(super) fn new() -> Self {
        let gauge = |name, help| Gauge::new(name, help).expect("a constant metric definition");
        Self {
            cpu: Counter::new(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
            )
            .expect("a constant metric definition"),
            resident: gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
            open_files: gauge("process_open_fds", "Number of open file descriptors."),
            max_files: gauge("process_max_fds", "Maximum number of open file descriptors."),
            started: gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
            ),
        }
    }

    fn refresh(&self) {
        if let Some(stat) = Stat::read() {
            // Scrapes may overlap: only ever add what is missing.
            self.cpu.inc_by((stat.cpu_seconds - self.cpu.get()).max(0.0));
            self.virtual_memory.set(stat.virtual_bytes);
            self.resident.set(stat.resident_pages * page_size());
            if let Some(boot) = boot_time() {
                self.started.set(boot + stat.start_seconds);
            }
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // The directory being read is open too.
            self.open_files.set(count(files) - 1.0);
        }
        if let Some(limit) = max_files() {
            self.max_files.set(limit);
        }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let mut all = self.cpu.desc();
        for gauge in [&self.resident, &self.virtual_memory, &self.open_files, &self.max_files, &self.started]
        {
            all.extend(gauge.desc());
        }
        all
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        let mut all = self.cpu.collect();
        for gauge in [&self.resident, &self.virtual_memory, &self.open_files, &self.max_files, &self.started]
        {
            all.extend(gauge.collect());
        }
        all
    }
}

struct Stat {
    cpu_seconds: f64,
    start_seconds: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl Stat {
    /// `proc_pid_stat(5)`: the fields after the command name, which may hold spaces and brackets.
    fn read() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<f64> = text
            .rsplit_once(") ")?
            .1
            .split(' ')
            .map(|field| field.trim().parse().unwrap_or_default())
            .collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS,
            start_seconds: field(22)? / TICKS,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn count(entries: impl Iterator) -> f64 {
    entries.count() as f64
}

#[expect(clippy::cast_precision_loss, reason = "a page has a few thousand bytes")]
fn page_size() -> f64 {
    rustix::param::page_size() as f64
}

fn boot_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn max_files() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
