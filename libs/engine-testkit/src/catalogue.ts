import type { Mutant } from '@quorate/simulator';
import { CATALOGUE_PROBES } from './catalogue-probes.ts';

/** What stands in a row of the catalogue. */
export interface CatalogueRow {
  /** `RF` Raft, `MP` Multi-Paxos, `ZB` ZAB, `KV` store and clients, `ST` storage. */
  readonly id: string;
  /** The failure, in a few words. */
  readonly title: string;
  /** Test files that play it, from the root of the workspace; empty while it waits. */
  readonly scripts: readonly string[];
  /** The feature without which it cannot happen, one of `AWAITED_FEATURES`; null when none. */
  readonly waitsFor: string | null;
}

/** How many entries each series has; the ids are numbered without gaps from 01. */
export const CATALOGUE_SERIES: Readonly<Record<string, number>> = {
  RF: 66,
  MP: 24,
  ZB: 29,
  KV: 23,
  ST: 19,
};

/** Features that do not exist yet; the stories about them are written together with them. */
export const AWAITED_FEATURES: readonly string[] = [
  'membership change',
  'leadership transfer',
  'lease reads',
  'flexible quorums',
  'leader stamps',
  'transactions',
  'revision history',
  'watches',
  'leases of keys',
  'locks',
  'replicated authorization',
];

/** One line an entry: id, title, then test files (`library/path`) or what it waits for. */
const TABLE = `
RF-01 | an old entry committed by counting | raft/catalogue/replication raft/replication
RF-02 | the logs of figure 7 | raft/replication
RF-03 | a grant of an earlier candidacy counted | raft/catalogue/elections raft/election
RF-04 | a second vote in one term | raft/catalogue/elections raft/election
RF-05 | a second vote through a pre-vote | raft/catalogue/elections raft/election
RF-06 | a vote lost in a crash or a rewriting | raft/catalogue/elections raft/election
RF-07 | a snapshot that takes the term back | raft/snapshot
RF-08 | an election won with a tail not durable | raft/election
RF-09 | a candidacy during a snapshot's installation | raft/snapshot
RF-10 | equal timeouts that refuse each other | raft/catalogue/elections raft/election
RF-11 | a pre-vote answer with a stale term | raft/election
RF-12 | a granted pre-vote taken for a leader's sign | raft/election
RF-13 | a removed server that disturbs | raft/election
RF-14 | a partial mesh | raft/catalogue/partial-links
RF-15 | quorum loss with a hub | raft/catalogue/partial-links raft/replication
RF-16 | a hub with an old log | raft/catalogue/partial-links multi-paxos/catalogue-stories
RF-17 | a chain of three | raft/catalogue/partial-links
RF-18 | a link of one direction | raft/catalogue/partial-links raft/replication
RF-19 | half of an even cluster as a quorum | raft/catalogue/elections raft/election
RF-20 | a delayed heartbeat truncates | raft/catalogue/replication
RF-21 | a stale refusal rolls back | raft/catalogue/replication raft/progress
RF-22 | an acknowledgement of the own last index | raft/catalogue/replication
RF-23 | match goes backwards | raft/catalogue/replication raft/progress
RF-24 | commit goes backwards | raft/catalogue/replication raft/replication
RF-25 | the commit scan stops at an old entry | raft/replication
RF-26 | a duplicate append after a compaction | raft/snapshot
RF-27 | an empty append instead of a snapshot | raft/snapshot raft/log
RF-28 | a match on an unknown term | raft/snapshot raft/log
RF-29 | a follower stuck after a probe was lost | raft/replication
RF-30 | an older snapshot than the awaited one | raft/catalogue/snapshots raft/snapshot
RF-31 | committed entries skipped at a page's end | raft/catalogue/replication
RF-32 | a lone voter commits what is not durable | raft/catalogue/replication raft/election
RF-33 | a completed write taken for a later one | raft/catalogue/replication raft/write-ledger
RF-34 | a failed write kept in memory | raft/catalogue/replication replica/obligations
RF-35 | a gap between log and snapshot at start | raft/records simulator/disk/storage-stack
RF-36 | a crash inside the writing of a snapshot | snapshot-store/snapshot-store
RF-37 | a failover that loses what was written | engine-testkit/catalogue-stories
RF-38 | a definite error for what commits | raft/replication
RF-39 | proposals forwarded in a circle | raft/catalogue/replication
RF-40 | a leader stalls, not its heart | raft/catalogue/replication engine-testkit/catalogue-stories
RF-41 | a read before the first commit of the term | raft/read-index
RF-42 | an old confirmation for a new read | raft/read-index
RF-43 | a paused leader answers | raft/catalogue/replication engine-testkit/catalogue-stories
RF-44 | a lease checked too seldom | waits for lease reads
RF-45 | a lease on the wall clock | waits for lease reads
RF-46 | a lease that survives a transfer | waits for leadership transfer
RF-47 | writes during a transfer | waits for leadership transfer
RF-48 | a transfer to a learner or a laggard | waits for leadership transfer
RF-49 | stale reads while the log is replayed | raft/catalogue/replication
RF-50 | one add and one remove at once | waits for membership change
RF-51 | two adds at once | waits for membership change
RF-52 | two removes at once | waits for membership change
RF-53 | an uncommitted configuration rolled back | waits for membership change
RF-54 | a promoted learner that must vote | waits for membership change
RF-55 | a leader that removes itself | waits for membership change
RF-56 | a removal makes entries committable | waits for membership change
RF-57 | a joint configuration lost in a snapshot | waits for membership change
RF-58 | the joint phase left twice | waits for membership change
RF-59 | votes counted over the union of two halves | quorum/quorum
RF-60 | a change on an isolated leader | waits for membership change
RF-61 | an update that promotes a learner | waits for membership change
RF-62 | one address added and removed in haste | waits for membership change
RF-63 | overwritten, then committed | raft/catalogue/replication raft/replication
RF-64 | a checkpoint with batches in flight | wal/faults
RF-65 | two completions after a truncation | raft/write-ledger raft/replication
RF-66 | a restart forgets a lease promise | waits for lease reads
MP-01 | an acceptor forgets | multi-paxos/catalogue-stories
MP-02 | a ballot used again after a restart | multi-paxos/catalogue
MP-03 | promised and accepted ballot in one | multi-paxos/catalogue multi-paxos/catalogue-stories
MP-04 | accepts counted across ballots | multi-paxos/catalogue
MP-05 | holes filled wrongly | multi-paxos/catalogue
MP-06 | a commit notice by slot number only | multi-paxos/catalogue
MP-07 | duelling proposers | multi-paxos/catalogue-stories multi-paxos/parts
MP-08 | a lost notice of preemption | multi-paxos/catalogue
MP-09 | a proposal beyond the window alpha | waits for membership change
MP-10 | an old configuration that never ends | waits for membership change
MP-11 | a proposer of an old configuration | waits for membership change
MP-12 | a trimmed acceptor hides what was decided | multi-paxos/catalogue
MP-13 | a learner asks below the trim mark | multi-paxos/catalogue
MP-14 | one command in two slots | kv/catalogue
MP-15 | slots executed out of order | multi-paxos/catalogue
MP-16 | a stale leader reads | multi-paxos/catalogue-stories
MP-17 | a replica without the notice serves the old value | multi-paxos/catalogue-stories
MP-18 | the state of an acceptor expires | multi-paxos/catalogue-stories
MP-19 | a read that does not finish what it sees | multi-paxos/catalogue-stories
MP-20 | quorums that do not meet | waits for flexible quorums
MP-21 | a replica without its disk votes at once | wal/data-directory
MP-22 | a request of a former leadership executed | waits for leader stamps
MP-23 | a huge round | multi-paxos/catalogue
MP-24 | a read after phase 1 misses a reported slot | multi-paxos/catalogue
ZB-01 | a vote by memory instead of by log | zab/catalogue-recovery zab/catalogue
ZB-02 | a server without what was committed wins | zab/catalogue-recovery zab/election
ZB-03 | NEWLEADER acknowledged before the disk | zab/catalogue-recovery zab/catalogue
ZB-04 | currentEpoch durable before the history | zab/catalogue-recovery zab/catalogue
ZB-05 | the same with asynchronous logging | zab/catalogue-recovery zab/catalogue
ZB-06 | an ACK overtakes that of NEWLEADER | zab/catalogue
ZB-07 | COMMIT before UPTODATE | zab/catalogue
ZB-08 | the old writer of the log runs on | zab/catalogue
ZB-09 | a race of DIFF and epoch | zab/catalogue-recovery zab/catalogue
ZB-10 | a DIFF out of a log with a gap | zab/catalogue-recovery zab/history
ZB-11 | a snapshot newer than its zxid | zab/catalogue-recovery zab/catalogue
ZB-12 | an interrupted SNAP | zab/catalogue
ZB-13 | an interrupted TRUNC | zab/catalogue
ZB-14 | a stray transaction of a dead leader | zab/catalogue-recovery
ZB-15 | a TRUNC that later segments survive | zab/catalogue-recovery
ZB-16 | a TRUNC that fails silently | zab/catalogue-recovery
ZB-17 | one epoch file of two written | zab/catalogue-recovery
ZB-18 | votes without a total order | zab/election
ZB-19 | a disloyal voter | zab/election
ZB-20 | proposals to the acknowledged alone | zab/catalogue
ZB-21 | a commit during a join | zab/catalogue
ZB-22 | a proposal twice at a join | zab/catalogue
ZB-23 | a follower dies while it reads a proposal | zab/catalogue-recovery
ZB-24 | a fuzzy snapshot | kv/catalogue
ZB-25 | a leader that cannot write lives on | zab/catalogue-recovery replica/obligations
ZB-26 | the counter of the zxid overflows | zab/catalogue
ZB-27 | a start without its snapshot | snapshot-store/snapshot-store replica/single-replica
ZB-28 | a malformed election message | zab/codec
ZB-29 | PROPOSE overtakes NEWLEADER | zab/catalogue-recovery zab/catalogue replica/obligations
KV-01 | the applied index apart from the data | kv/catalogue
KV-02 | a kill during a compaction | simulator/disk/storage-stack
KV-03 | apply depends on a local cache of rights | waits for replicated authorization
KV-04 | a transaction reads a compacted revision | waits for transactions
KV-05 | the revision falls after a compaction | kv/catalogue
KV-06 | a watch loses a delete | waits for watches
KV-07 | a watch goes back in time | waits for watches
KV-08 | a slow watcher starves | waits for watches
KV-09 | a progress mark overtakes events | waits for watches
KV-10 | a watch of the future gets the past | waits for watches
KV-11 | events twice | waits for watches
KV-12 | a watch from revision 0 | waits for watches
KV-13 | a lock without fencing | waits for locks
KV-14 | a deposed leader revokes leases | waits for leases of keys
KV-15 | leases that elections keep alive | waits for leases of keys
KV-16 | a renewal of a revoked lease | waits for leases of keys
KV-17 | a put races the end of its lease | waits for leases of keys
KV-18 | a retry happens twice | kv/catalogue client/kv-client
KV-19 | a restore and an own compaction at once | raft/catalogue/snapshots
KV-20 | a linearizable read at a replica that lags | replica/catalogue
KV-21 | a compaction while a range is paged | waits for revision history
KV-22 | a clock that jumps ends leases | waits for leases of keys
KV-23 | a round handed to the state machine | multi-paxos/catalogue-stories
ST-01 | a torn last record | wal/recovery
ST-02 | a flipped bit in the middle of the log | wal/recovery
ST-03 | one entry damaged on all replicas | wal/catalogue
ST-04 | a damaged last entry and an election | wal/catalogue
ST-05 | a sync fails once, the next succeeds | wal/faults
ST-06 | a power cut after a roll | wal/faults
ST-07 | no space left | wal/faults snapshot-store/snapshot-store
ST-08 | old records in a reused segment | wal/faults wal/recovery
ST-09 | a misdirected or lost write | wal/recovery
ST-10 | a disk that lies | raft/catalogue/replication
ST-11 | a sync of seconds | engine-testkit/catalogue-stories
ST-12 | a flipped bit in a snapshot | snapshot-store/snapshot-store
ST-13 | all lose power at once | engine-testkit/catalogue-stories
ST-14 | a wiped disk under an old id | wal/data-directory wal/wal transport/peer-transport
ST-15 | a directory that cannot be used | wal/data-directory wal/wal
ST-16 | a torn middle of a group | wal/recovery
ST-17 | a flipped length | wal/recovery
ST-18 | a stale batch behind a cut | wal/recovery
ST-19 | a group that shares a block with synced bytes | wal/faults
`;

const WAITS = 'waits for ';

/**
 * The catalogue of real bugs, one row an entry: what plays it, or what it waits for. A test holds
 * it complete and true; `docs/internals/bug-catalogue.md` is made from it.
 */
export const CATALOGUE: readonly CatalogueRow[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [id = '', title = '', status = ''] = line.split(' | ');
    const waitsFor = status.startsWith(WAITS) ? status.slice(WAITS.length) : null;
    const scripts = waitsFor === null ? status.split(' ').map(pathOf) : [];
    return { id, title, scripts, waitsFor };
  });

/** `wal/faults` is `libs/wal/src/faults.test.ts`. */
function pathOf(short: string): string {
  const [library = '', ...path] = short.split('/');
  return `libs/${library}/src/${path.join('/')}.test.ts`;
}

/** A mutant as far as the catalogue is concerned: what is wrong with it names entries. */
type NamedMutant = Pick<Mutant, 'id' | 'bug'>;

/** The mutants that put the bug of an entry back: those whose sentence names its id. */
export function mutantsOf(id: string, mutants: readonly NamedMutant[]): string[] {
  return mutants.filter(({ bug }) => new RegExp(`\\b${id}\\b`).test(bug)).map((one) => one.id);
}

/** The catalogue as the page of the documentation, with the mutants that there are. */
export function catalogueMarkdown(mutants: readonly NamedMutant[]): string {
  const head = [
    '# The bug catalogue',
    '',
    'Bugs that really happened elsewhere, and what plays each of them here. The sentences behind',
    'the ids stand in [catalogue.md](catalogue.md). This page is made from',
    '`libs/engine-testkit/src/catalogue.ts`; a test holds the two equal, finds each id in the',
    'title of a test of each file named, and fails when a feature has come that an entry waits',
    'for. A mutant puts the bug back into our sources ([what finds them](mutants.md)); a probe is',
    'what a campaign of `quorate simulate` must reach where the situation arises.',
    '`QUORATE_REWRITE=1 npx vitest run libs/engine-testkit/src/catalogue.test.ts` makes the',
    'page anew.',
    '',
  ];
  const waiting = CATALOGUE.filter(({ waitsFor }) => waitsFor !== null).length;
  const played = CATALOGUE.length - waiting;
  const counted = `${CATALOGUE.length} entries: ${played} played, ${waiting} waiting.`;
  const rows = CATALOGUE.map(({ id, title, scripts, waitsFor }) => {
    const links = scripts.map((path) => `[${shortOf(path)}](../../${path})`);
    const played = waitsFor === null ? links.join(', ') : WAITS + waitsFor;
    const planted = mutantsOf(id, mutants).join(', ') || '–';
    return `| ${id} | ${title} | ${played} | ${planted} | ${CATALOGUE_PROBES.get(id) ?? '–'} |`;
  });
  const titles = '| Id | What went wrong | Script, or what it waits for | Mutant | Probe |';
  const table = [titles, '|---|---|---|---|---|', ...rows];
  return [...head, counted, '', ...table, ''].join('\n');
}

function shortOf(path: string): string {
  return path
    .replace(/^libs\//, '')
    .replace('/src/', '/')
    .replace(/\.test\.ts$/, '');
}
