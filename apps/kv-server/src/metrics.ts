import type { KvStateMachine } from '@quorate/kv';
import type { Replica } from '@quorate/replica';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** One row of the exposition: name, help, kind, and how the value is read. */
type Row = readonly [
  name: string,
  help: string,
  kind: 'counter' | 'gauge',
  value: (status: ReturnType<Replica['status']>, stateMachine: KvStateMachine) => number,
];

const ROWS: readonly Row[] = [
  ['commit_index', 'Entries known to be chosen.', 'gauge', (s) => s.engine.commitIndex],
  ['applied_index', 'Entries applied to the state machine.', 'gauge', (s) => s.appliedIndex],
  ['last_index', 'Entries in the log.', 'gauge', (s) => s.engine.lastIndex],
  ['round', 'Leadership period: term, ballot round or epoch.', 'gauge', (s) => s.engine.round],
  ['is_leader', '1 at the leader.', 'gauge', (s) => (s.engine.role === 'leader' ? 1 : 0)],
  ['keys', 'Keys in the store.', 'gauge', (_, machine) => machine.keys],
  ['revision', 'Changes to the store so far.', 'gauge', (_, machine) => machine.revision],
  ['proposals_queued', 'Commands waiting to be proposed.', 'gauge', (s) => s.proposalsQueued],
  ['batches_in_flight', 'Batches proposed, not concluded.', 'gauge', (s) => s.batchesInFlight],
  ['commands_applied_total', 'Commands applied.', 'counter', (s) => s.counters.commandsApplied],
  [
    'batches_proposed_total',
    'Batches proposed here.',
    'counter',
    (s) => s.counters.batchesProposed,
  ],
  ['reads_total', 'Linearizable reads taken.', 'counter', (s) => s.counters.reads],
  ['wal_syncs_total', 'Syncs of the log.', 'counter', (s) => s.wal.syncs],
  ['wal_bytes_total', 'Bytes written to the log.', 'counter', (s) => s.wal.bytesWritten],
  ['frames_received_total', 'Frames from peers.', 'counter', (s) => s.counters.framesReceived],
  ['peer_frames_sent_total', 'Frames sent to peers.', 'counter', (s) => sum(s.counters.sent)],
  ['has_space', '0 while the log has no room for a segment.', 'gauge', (s) => (s.hasSpace ? 1 : 0)],
  [
    'loop_gap_max_seconds',
    'Longest gap of the event loop.',
    'gauge',
    (s) => s.longestGapMicros / 1e6,
  ],
];

function sum(sent: readonly { readonly frames: number }[]): number {
  return sent.reduce((total, one) => total + one.frames, 0);
}

const processMetrics = new Registry();
let collecting = false;

/** The Prometheus text of one replica: its own counters, then those of the Node process. */
export async function renderMetrics(replica: Replica, machine: KvStateMachine): Promise<string> {
  if (!collecting) {
    collecting = true; // Histograms of the event loop run from the first scrape on.
    collectDefaultMetrics({ register: processMetrics });
  }
  const own = new Registry();
  const status = replica.status();
  for (const [name, help, kind, value] of ROWS) {
    const options = { name: `quorate_${name}`, help, registers: [own] };
    if (kind === 'gauge') new Gauge(options).set(value(status, machine));
    else new Counter(options).inc(value(status, machine));
  }
  return `${await own.metrics()}${await processMetrics.metrics()}`;
}
