/** Where and when one invariant of the safety net is asserted. */
export interface InvariantRow {
  readonly id: string;
  /** The sentence, in short. */
  readonly sentence: string;
  /** Moments: E after each event, S on each outgoing message, R at restart, End. */
  readonly when: string;
  /** `host`: production replicas (`quorate simulate`); `engine`: engines alone; or both. */
  readonly level: string;
  /** Sources that raise it by its id, from the root of the workspace. */
  readonly raisedIn: readonly string[];
  /** What the place does not say by itself: another invariant that it follows from, a test. */
  readonly note: string;
  /** The feature without which there is nothing to assert; null when there is. */
  readonly waitsFor: string | null;
}

/** Short names of the places, as the table below writes them. */
const PLACES: Readonly<Record<string, string>> = {
  ghost: 'libs/simulator/src/host-level/replica-ghost.ts',
  store: 'libs/simulator/src/host-level/store-ghost.ts',
  node: 'libs/simulator/src/host-level/host-node.ts',
  door: 'libs/simulator/src/host-level/observed-transport.ts',
  run: 'libs/simulator/src/host-level/host-run.ts',
  cluster: 'libs/simulator/src/host-level/host-cluster.ts',
  twice: 'apps/bench/src/commands/simulate-worker.ts',
  summary: 'apps/bench/src/commands/simulate-summary.ts',
  engine: 'libs/simulator/src/engine-level/ghost-state.ts',
  core: 'libs/simulator/src/engine-level/cluster-core.ts',
  kit: 'libs/engine-testkit/src/kit.ts',
  set: 'libs/protocol-rules/src/rule-set.ts',
  raft: 'libs/protocol-rules/src/raft-rules.ts',
  raftLeads: 'libs/protocol-rules/src/raft-leadership.ts',
  raftSays: 'libs/protocol-rules/src/raft-speech.ts',
  paxos: 'libs/protocol-rules/src/paxos-rules.ts',
  paxosSays: 'libs/protocol-rules/src/paxos-speech.ts',
  zab: 'libs/protocol-rules/src/zab-rules.ts',
  zabSays: 'libs/protocol-rules/src/zab-speech.ts',
};

/** An invariant: id, sentence, when, level, places or what it waits for, note; goes on indented. */
const TABLE = `
C1 | replicas apply equal bytes at equal indexes | E | both | core | at the host level by K5 and
  C8
C2 | committed prefixes of any two logs agree | E | both | raft | ZAB: Z2; Paxos, whose slots have
  no prefix: P1, P8
C3 | what is committed at an index never changes | E R | both | ghost engine |
C4 | what is committed is durable on a quorum | E | both | ghost engine zab |
C5 | entries are announced in order, once, without a gap | E | both | ghost store engine |
C6 | rounds, commit and snapshot indexes never fall | E R | both | ghost engine zab |
C7 | what is applied was submitted | E | both | store engine |
C8 | equal applied index, equal state | E End | both | store run engine |
C9 | a fact is durable before it is spoken | S | both | door raftSays paxosSays zabSays |
C10 | a request of a session acts once | E | host | store |
C11 | only members count, each once, by majority | E | both | set raft paxos zab |
C12 | equal seed and build, equal trace | End | host | twice summary | at the engine level a case of
  the conformance suite
C13 | a definite failure never shows in a state | E End | both | store engine |
R1 | one leader a term | E S | both | raft raftSays |
R2 | one vote a term and node, pre-votes change nothing | S E R | both | raft raftSays |
R3 | a leader only appends to its log | E | both | raft |
R4 | equal index and term, equal logs up to there | E S | both | raft raftSays |
R5 | a leader holds what earlier terms committed | E | both | ghost raft |
R6 | commit by an entry of the own term on a quorum's disks | E | both | raft |
R7 | a follower commits within what it was told | E | both | raft |
R8 | a follower truncates at a conflict, above its commit | E | both | raft |
R9 | match only grows, below next, equal on the follower's disk | E S | both | raft raftLeads
  raftSays |
R10 | votes go to logs at least as up to date as the own durable one | S | both | raftSays |
R11 | no message of a term above the sender's; answers count in their candidacy | S | both |
  raftSays | answers of another candidacy: C11
R12 | the latest configuration in the log is used | E | | wait membership change |
R13 | a snapshot ends with the committed entry | E S R | both | raft | no candidacy before the
  restore has ended: C9 of the request, RF-09
R14 | a read reflects all that was committed when it was asked | E | both | ghost engine raftLeads
  |
R15 | lease reads within declared drift | E | | wait lease reads |
P1 | one value is chosen in a slot | E | both | paxos |
P2 | promises only rise | E R | both | paxos |
P3 | nothing is accepted below the promise | E | both | paxos |
P4 | one value a ballot and slot | E S | both | paxos paxosSays |
P5 | a ballot is its proposer's own and never used again | S R | both | paxosSays |
P6 | proposals keep what a quorum of promises reports | E S | both | paxos paxosSays |
P7 | a promise reports all that was accepted, truthfully | S | both | paxosSays |
P8 | chosen means a quorum at one ballot, or told by who knows | E S | both | paxos paxosSays |
P9 | quorums of both phases meet | at start | both | paxos |
P10 | slots execute in order, without holes | E | both | paxos |
P11 | configuration by decided slots | E | | wait membership change |
P12 | only chosen slots are trimmed, trimmed ones are left alone | E S | both | paxos paxosSays |
Z1 | one leader an epoch | E S | both | zab zabSays |
Z2 | committed histories are prefixes of each other | E | both | zab |
Z3 | what is logged was broadcast by the epoch's primary | E | both | zab |
Z4 | agreement of what is delivered | E | both | by Z2 | deliveries have no gaps (C5), so two of
  them are prefixes of one history
Z5 | one total order | E | both | by Z2 | as Z4
Z6 | what a primary broadcast earlier is delivered earlier | E | both | zab |
Z7 | epochs never fall along a history | E | both | zab |
Z8 | a primary delivers earlier epochs before it broadcasts | E | both | zab |
Z9 | a synchronized follower has no tail of its own | S | both | zabSays |
Z10 | a new leader holds what earlier epochs committed | E | both | zab |
Z11 | what is committed is never truncated | E | both | zab |
Z12 | zxids succeed each other, messages fit their phase | E S | both | zab zabSays |
Z13 | zxids rise within their bound; history before currentEpoch | E | both | zab | epochs durable
  before they are spoken of: C9
Z14 | votes only get better within a round | S | both | zabSays |
K1 | every key is linearizable | End | host | run |
K2 | revisions rise by one a change, the same everywhere | E | host | store |
K3 | an acknowledged write is never lost | E End | host | store run |
K4 | no read shows what was not committed | E | host | store |
K5 | an entry's outcome depends on state and entry alone | E | host | store |
K6 | stale reads only when asked for | End | host | by K1 | the simulated clients ask for
  linearizable reads alone and each is judged; sessions promise no order of stale reads
W1 | events in order | E | | wait watches |
W2 | events once | E | | wait watches |
W3 | no event missing | E | | wait watches |
W4 | events of a revision together | E | | wait watches |
W5 | watches resume | E | | wait watches |
W6 | progress marks are true | E | | wait watches |
W7 | filters are exact | E | | wait watches |
W8 | previous values and create flags are right | E | | wait watches |
W9 | a watch of the future delivers nothing older | E | | wait watches |
W10 | compacted revisions are named | E | | wait watches |
L1 | leases change by log entries | E | | wait leases of keys |
L2 | no lease expires early | E | | wait leases of keys |
L3 | an absent lease is not renewed | E | | wait leases of keys |
L4 | deadlines survive leaders | E | | wait leases of keys |
L5 | a lease's keys go together | E | | wait leases of keys |
F1 | fencing tokens rise | E | | wait locks |
F2 | old tokens write nothing | E | | wait locks |
F3 | tokens survive snapshots | E | | wait locks |
M1 | one change in flight | E | | wait membership change |
M2 | learners first | E | | wait membership change |
M3 | who is removed counts no more | E | | wait membership change |
M4 | ids are never used again | E | | wait membership change |
M5 | no removal that loses the quorum | E | | wait membership change |
M6 | learners are promoted explicitly | E | | wait membership change |
S1 | what was synced comes back, a prefix of what was written | R | host | ghost |
S2 | damage before the last synced record is no tail | R | host | node |
S3 | checksums cover place and kind | R | host | by S2 | flipped bits and stale sectors are
  struck; every byte: tests of the log, ST-01, ST-08, ST-09
S4 | the disk is never behind what was said | R E | both | set raft paxos zab |
S5 | nothing is acknowledged after a failed sync | E | host | node |
S6 | a whole chain of snapshot and log is on the disk | R | host | ghost | looked at whenever a
  process starts, after kills and power cuts at any moment; each crash point: tests of log and
  snapshot store
S7 | truncation is durable before newer entries are acknowledged | S | both | by R9 | the disk
  must hold the very entry of the leader; ZAB: Z9
V1 | a leader and service within bounds of peace | End | host | run | at the engine level
  \`liveness\`
V2 | quorum through one node alone | End | engine | tests | stories RF-14 to RF-17 and MP, ZB of
  partial links
V3 | who comes back catches up | End | host | by V1 | all replicas apply everything within a bound
  of peace
V4 | rounds do not grow in peace | End | both | run cluster kit |
V5 | every operation ends | End | host | by V1 | every operation ends within its deadline and a
  bound
`;

/** The invariants of the safety net, in its order. */
export const INVARIANTS: readonly InvariantRow[] = TABLE.trim()
  .replace(/\n {2}/g, ' ')
  .split('\n')
  .map(parse);

function parse(line: string): InvariantRow {
  const [id = '', sentence = '', when = '', level = '', where = '', note = ''] = line
    .split('|')
    .map((cell) => cell.trim());
  const row = { id, sentence, when, level };
  const [first = '', ...rest] = where.split(' ');
  if (first === 'wait') return { ...row, raisedIn: [], note: '', waitsFor: rest.join(' ') };
  if (first === 'by') {
    return { ...row, raisedIn: [], note: `as ${rest.join(' ')}: ${note}`, waitsFor: null };
  }
  if (first === 'tests') return { ...row, raisedIn: [], note, waitsFor: null };
  return { ...row, raisedIn: where.split(' ').map(placeOf), note, waitsFor: null };
}

function placeOf(name: string): string {
  const place = PLACES[name];
  if (place === undefined) throw new RangeError(`no place is called ${name}`);
  return place;
}

/** The page `docs/internals/invariants.md`. */
export function invariantsMarkdown(): string {
  const file = (path: string): string => {
    return `[${path.split('/').at(-1)?.replace('.ts', '')}](../../${path})`;
  };
  const rows = INVARIANTS.map(({ id, sentence, when, level, raisedIn, note, waitsFor }) => {
    if (waitsFor !== null) return `| ${id} | ${sentence} | | | waits for ${waitsFor} |`;
    const places = raisedIn.map(file).join(' ');
    const where = [places, note].filter((part) => part !== '').join('; ');
    return `| ${id} | ${sentence} | ${when} | ${level} | ${where} |`;
  });
  return [...HEAD, ...rows, ''].join('\n');
}

const HEAD = [
  '# Invariants, and where they are asserted',
  '',
  'Every invariant of the safety net: C of all engines, R of Raft, P of Multi-Paxos, Z of ZAB,',
  'K of the store, W of watches, L of leases, F of fencing, M of membership, S of storage, V of',
  'liveness. When: E after each event, S on each outgoing message, R at a restart, End of a',
  'run. Level: host is `quorate simulate` (production replicas), engine is `SimulatedCluster`.',
  'A failure names the id. How the rules of one protocol see a run: [ADR',
  '0024](../adr/0024-protocol-rules.md). Each of them is broken by a handmade story in the',
  'tests of `libs/protocol-rules`. The page is made from',
  '`libs/protocol-rules/src/invariants.ts`, and a test compares both with the sources that',
  'raise the ids.',
  '',
  '| Id | Sentence | When | Level | Where |',
  '|---|---|---|---|---|',
];
