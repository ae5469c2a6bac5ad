//! The one thread that drains all rings into the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
#[cfg(not(loom))]
use kinescope_ring::Checkpoint;
use kinescope_ring::{Definitions, Ring, RingReader, RingState};

#[cfg(all(unix, not(loom)))]
use crate::disk::Lock;
use crate::error::Error;
use crate::import::Staged;
use crate::log_writer::LogWriter;
use crate::producer_sink::{ProducerSink, ProducerState};
use crate::shared::Shared;
use crate::store::{Gone, Producers};
use crate::sync::lock;

/// What a ring may hand over before the next ring has its turn: large enough to amortize publishing, small enough
/// that a flooding thread does not make the others wait.
const WORDS_PER_TURN: u32 = 32 * 1024;
/// A turn that moved at least this much is followed by the next without a rest.
const BUSY_WORDS: u32 = 8 * 1024;
/// Rest between turns while events come in: what batches them.
const REST: Duration = Duration::from_micros(500);
/// Without events for this long, the writer sleeps until it is woken.
const DOZE_AFTER: Duration = Duration::from_millis(100);
/// So soon while somebody wants to see events at once: the next one's producer then wakes it, in place of a rest that has to end first.
const DOZE_AFTER_EAGER: Duration = Duration::from_millis(2);
/// Upper bound of that sleep. A producer that commits just as the writer falls asleep may miss that it should wake
/// it; this is how long its event may then stay unseen.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// Time between anchors of the wall clock.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);

/// What other threads ask of the writer; a sleeping writer is unparked after sending.
pub(crate) enum Command {
    /// Drain this ring from now on.
    Add { ring: Arc<Ring>, pid: String },
    /// This producer's thread has ended: drain its ring to the last commit, then forget it.
    Gone(Arc<Ring>),
    /// Take these events into the log and say whether they are in it.
    Import {
        staged: Box<Staged>,
        reply: Sender<Result<(), Error>>,
    },
    /// Drain everything, then stop.
    Close,
}

struct Producer {
    ring: Arc<Ring>,
    reader: RingReader,
    state: ProducerState,
    /// What was last stored in the ring of how far it has been read, on disk.
    #[cfg(not(loom))]
    kept: Option<Checkpoint>,
    gone: bool,
    /// Gone, and everything that it committed is in the log.
    buried: bool,
}

/// The writer thread's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    registry: Arc<Producers>,
    commands: Receiver<Command>,
    definitions: Arc<Definitions>,
    log: LogWriter,
    producers: Vec<Producer>,
    closing: bool,
    asleep: bool,
    /// Given back when everything is written.
    #[cfg(all(unix, not(loom)))]
    lock: Option<Lock>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        registry: Arc<Producers>,
        commands: Receiver<Command>,
        definitions: Arc<Definitions>,
        log: LogWriter,
    ) -> Self {
        Self {
            shared,
            registry,
            commands,
            definitions,
            log,
            producers: Vec::new(),
            closing: false,
            asleep: false,
            #[cfg(all(unix, not(loom)))]
            lock: None,
        }
    }

    /// Holds the recording's lock for as long as it writes.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn hold(&mut self, lock: Lock) {
        self.lock = Some(lock);
    }

    /// Runs until it is told to close.
    pub(crate) fn run(mut self) {
        let mut last_event = Instant::now();
        let mut last_anchor = Instant::now();
        loop {
            self.take_commands();
            self.tick();
            self.log.tend();
            let words = self.turn();
            let now = Instant::now();
            if now.duration_since(last_anchor) >= ANCHOR_EVERY {
                self.shared.clock.anchor();
                last_anchor = now;
            }
            self.log.age();
            if words > 0 {
                last_event = now;
            }
            if words >= BUSY_WORDS {
                continue;
            }
            if self.closing && words == 0 {
                break;
            }
            if self.rest(now.duration_since(last_event)) {
                last_event = Instant::now();
            }
        }
        // Those who are still there have drained rings.
        for producer in &self.producers {
            let next = producer.reader.next_sequence();
            // What was attempted since is not in the log, but has had its number.
            let next = next.max(producer.ring.attempts());
            self.log.buried(producer.ring.producer(), next);
        }
        self.log.close();
        #[cfg(all(unix, not(loom)))]
        drop(self.lock.take());
        // Results hold what they need; nobody but late readers can ask for more.
        self.shared.set_closed();
        // Also of producers that came too late to be drained.
        for ring in &lock(&self.registry.inner).alive {
            ring.set_state(RingState::Closed);
        }
    }

    /// Rests until the next turn; true if somebody woke the writer from its sleep, who then has something to come.
    fn rest(&mut self, idle: Duration) -> bool {
        if self.closing {
            return false;
        }
        let is_still = idle >= DOZE_AFTER;
        if !is_still && (idle < DOZE_AFTER_EAGER || !self.shared.is_eager()) {
            // Something came since the sleep was announced: an announcement holds for one sleep.
            if self.asleep {
                self.set_asleep(false);
            }
            thread::park_timeout(REST);
            return false;
        }
        if is_still {
            self.log.rest();
        }
        if !self.asleep {
            // One more turn between the announcement and the sleep: a producer that did not see it has committed
            // by then, all but for the store buffer of its core, and SLEEP_MAX bounds that case.
            self.set_asleep(true);
            return false;
        }
        let asleep_since = Instant::now();
        thread::park_timeout(SLEEP_MAX);
        self.set_asleep(false);
        asleep_since.elapsed() < SLEEP_MAX
    }

    fn set_asleep(&mut self, asleep: bool) {
        self.asleep = asleep;
        self.producers
            .iter()
            .for_each(|producer| producer.ring.set_asleep(asleep));
    }

    fn tick(&self) {
        let raw_ns = self.shared.clock.raw_now_ns();
        self.producers
            .iter()
            .for_each(|producer| producer.ring.set_tick(raw_ns));
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Add { ring, pid }) => {
                    ring.set_asleep(self.asleep);
                    let state = ProducerState::new(ring.producer(), &pid);
                    // The store makes each ring and hands it over once, so its reader is there.
                    if let Ok(reader) = RingReader::new(Arc::clone(&ring)) {
                        self.producers.push(Producer {
                            ring,
                            reader,
                            state,
                            #[cfg(not(loom))]
                            kept: None,
                            gone: false,
                            buried: false,
                        });
                    }
                }
                Ok(Command::Gone(ring)) => {
                    let of_ring = |producer: &&mut Producer| Arc::ptr_eq(&producer.ring, &ring);
                    self.producers
                        .iter_mut()
                        .filter(of_ring)
                        .for_each(|producer| producer.gone = true);
                }
                Ok(Command::Import { staged, reply }) => {
                    // Nobody may be waiting any more; the events are in the log all the same.
                    let _ = reply.send(self.log.import(*staged));
                    self.shared.notify_progress();
                }
                Ok(Command::Close) | Err(TryRecvError::Disconnected) => {
                    self.closing = true;
                    self.producers
                        .iter()
                        .for_each(|producer| producer.ring.set_state(RingState::Closed));
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// Drains each ring once, publishes what came, and only then gives the space back, so that a tail beyond a
    /// position means that everything before it is visible. Returns the words that were drained.
    fn turn(&mut self) -> u32 {
        let mut words = 0;
        let rows_before = self.log.next_seq();
        for producer in &mut self.producers {
            let mut sink = ProducerSink::new(
                &mut producer.state,
                &mut self.log,
                &self.definitions,
                &self.shared,
            );
            let progress = if producer.gone {
                producer.reader.read_dead(WORDS_PER_TURN, &mut sink)
            } else {
                producer.reader.read(WORDS_PER_TURN, &mut sink)
            };
            words += progress.words;
            if progress.drained && !producer.gone {
                producer.reader.report_pending_loss(&mut sink);
            }
            producer.buried = producer.gone && progress.drained;
        }
        let has_rows = self.log.next_seq() != rows_before;
        // On disk also what left no row: the words of it are given back.
        if self.keep_positions() || has_rows {
            self.log.publish();
        }
        self.producers
            .iter_mut()
            .for_each(|producer| producer.reader.release());
        // Losses become rows also when no words are left to read.
        if words > 0 || has_rows {
            self.shared.notify_progress();
        }
        self.bury();
        words
    }

    /// Stores in the rings how far they have been read, for the commit that follows; true if there is anything new.
    #[cfg(not(loom))]
    fn keep_positions(&mut self) -> bool {
        let Some(generation) = self.log.next_generation() else {
            return false;
        };
        let mut has_news = false;
        for producer in &mut self.producers {
            let checkpoint = producer
                .reader
                .checkpoint(generation, producer.state.last_raw_ns());
            let kept = producer.kept.map(|kept| Checkpoint { generation, ..kept });
            if kept != Some(checkpoint) {
                producer.ring.store_checkpoint(&checkpoint);
                producer.kept = Some(checkpoint);
                has_news = true;
            }
        }
        has_news
    }

    #[cfg(loom)]
    fn keep_positions(&mut self) -> bool {
        false
    }

    /// Drains what a dead process has left in a ring of it, and buries its producer.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn adopt(&mut self, ring: Arc<Ring>, checkpoint: &Checkpoint, state: ProducerState) {
        if let Ok(reader) = RingReader::resume(Arc::clone(&ring), checkpoint) {
            self.producers.push(Producer {
                ring,
                reader,
                state,
                #[cfg(not(loom))]
                kept: None,
                gone: true,
                buried: false,
            });
        }
    }

    /// Drains all rings that were adopted.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn drain(&mut self) {
        while !self.producers.is_empty() {
            self.turn();
        }
    }

    /// The log and the definitions of the rings that come.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn begin(
        &mut self,
        sequence_floor: u64,
        definitions: impl FnOnce() -> Result<Arc<Definitions>, Error>,
    ) -> Result<Arc<Definitions>, Error> {
        self.log.begin(sequence_floor)?;
        self.definitions = definitions()?;
        Ok(Arc::clone(&self.definitions))
    }

    /// Forgets producers that are gone and drained; their numbers are free again.
    fn bury(&mut self) {
        if !self.producers.iter().any(|producer| producer.buried) {
            return;
        }
        let mut registry = lock(&self.registry.inner);
        self.producers.retain(|producer| {
            if producer.buried {
                let ring = &producer.ring;
                registry.alive.retain(|alive| !Arc::ptr_eq(alive, ring));
                registry
                    .leaving
                    .retain(|leaving| !Arc::ptr_eq(leaving, ring));
                self.log
                    .buried(ring.producer(), producer.reader.next_sequence());
                self.shared.buried.fetch_add(1, Ordering::SeqCst);
                registry.gone.add(&Gone::of(ring));
                registry
                    .numbers
                    .give_back(ring.producer(), producer.reader.next_sequence());
            }
            !producer.buried
        });
        drop(registry);
        self.shared.notify_progress();
    }
}
