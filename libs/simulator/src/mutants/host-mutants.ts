import { lines, type Mutant } from './mutant.ts';

const REPLICA = 'libs/replica/src';
const KV = 'libs/kv/src';
const CLIENT = 'libs/client/src';

/** Bugs of the host loop: broken obligations of `Ready`, dishonest answers. */
export const REPLICA_MUTANTS: readonly Mutant[] = [
  {
    id: 'host-sends-before-persist',
    target: 'replica',
    bug: 'the host sends messages that must wait for the disk at once (C9, obligation 2)',
    file: `${REPLICA}/replica-loop.ts`,
    find: 'this.sessions.hold(unpersisted, outbound);',
    replace:
      'unpersisted.logged ? this.sessions.sendNow(outbound) : this.sessions.sendNow(outbound);',
    script: { file: `${REPLICA}/obligations.test.ts`, test: '1, 2, 3' },
  },
  {
    id: 'host-persisted-before-durable',
    target: 'replica',
    bug: 'the host says persisted when the batch is handed to the log (C4, obligation 3)',
    file: `${REPLICA}/replica-loop.ts`,
    find: '    if (!unpersisted.logged) this.settle();',
    replace: lines(
      '    if (unpersisted.logged) this.engine.persisted(ready.number);',
      '    else this.settle();',
    ),
    script: { file: `${REPLICA}/obligations.test.ts`, test: '1, 2, 3|3:' },
  },
  {
    id: 'host-overtakes-held-message',
    target: 'replica',
    bug: 'an early message overtakes one that waits for the disk, on a FIFO session (ZB-29)',
    file: `${REPLICA}/peer-sessions.ts`,
    find: '      if (this.keepOrder && state.lastHold !== null) {',
    replace: '      if (!this.keepOrder && state.lastHold !== null) {',
    script: { file: `${REPLICA}/obligations.test.ts`, test: '2: with FIFO' },
  },
  {
    id: 'host-message-survives-its-session',
    target: 'replica',
    bug: 'a message made for an ended session is sent on the next one (obligation 2)',
    file: `${REPLICA}/peer-sessions.ts`,
    find: 'if (this.transport === null || this.state(to).session !== session) return false;',
    replace: 'if (this.transport === null || this.state(to).session < session) return false;',
    script: { file: `${REPLICA}/obligations.test.ts`, test: 'dies with the session' },
  },
  {
    id: 'host-read-before-apply',
    target: 'replica',
    bug: 'a confirmed read is served before the state machine reached its index (K1)',
    file: `${REPLICA}/read-queue.ts`,
    find: '      if (confirmed.index > appliedIndex) {',
    replace: '      if (confirmed.index > appliedIndex + 1_000_000) {',
    script: { file: `${REPLICA}/read-queue.test.ts`, test: 'K1' },
  },
  {
    id: 'host-unknown-told-as-failed',
    target: 'replica',
    bug: 'a proposal in doubt is answered with a definite error (RF-63, C13)',
    file: `${REPLICA}/proposal-queue.ts`,
    find: "outcome === 'lost' ? { kind: 'notLeader', leader } : { kind: 'unknown' };",
    replace: "outcome.length > 0 ? { kind: 'notLeader', leader } : { kind: 'unknown' };",
    script: { file: `${REPLICA}/obligations.test.ts`, test: 'abandoned' },
  },
  {
    id: 'host-ticks-after-pause',
    target: 'replica',
    bug: 'timers fire after a pause before the sockets were drained (obligation 6)',
    file: `${REPLICA}/replica-loop.ts`,
    find: '    if (!resumed) this.engine.tick();',
    replace: '    this.engine.tick();',
    script: { file: `${REPLICA}/obligations.test.ts`, test: '6: after a pause' },
  },
  {
    id: 'host-forgets-restore',
    target: 'replica',
    bug: 'committed entries are applied before an installed snapshot is restored (obligation 9)',
    file: `${REPLICA}/applier.ts`,
    find: '        this.restoringMeta = item.install;\n',
    replace: '        this.index = item.install.index;\n        continue;\n',
    script: { file: `${REPLICA}/cluster.test.ts`, test: 'by a snapshot' },
  },
];

/** Bugs of the key-value state machine: sessions, conditions, snapshots. */
export const KV_MUTANTS: readonly Mutant[] = [
  {
    id: 'kv-sessions-missing-in-snapshot',
    target: 'kv',
    bug: 'the session table is no part of a snapshot, so a retry takes effect again (C10)',
    file: `${KV}/kv-state-machine.ts`,
    find: 'return new SnapshotWriter(header, cut, this.sessions.images());',
    replace: 'return new SnapshotWriter(header, cut, this.sessions.images().slice(0, 0));',
    script: { file: `${KV}/kv-state-machine.test.ts`, test: 'snapshot|restore' },
  },
  {
    id: 'kv-forgotten-sequence-executed',
    target: 'kv',
    bug: 'a retry whose first result was forgotten is executed once more (C10)',
    file: `${KV}/kv-state-machine.ts`,
    find:
      '    if (sequence <= session.forgottenThrough) ' +
      "return this.refusal('sequence_forgotten', 0);\n",
    replace: '',
    script: { file: `${KV}/kv-state-machine.test.ts`, test: 'forgotten|forget' },
  },
  {
    id: 'kv-retry-executed-again',
    target: 'kv',
    bug: 'a repeated request changes the state twice (C10)',
    file: `${KV}/kv-state-machine.ts`,
    find:
      'session.remember({ sequence, fingerprint, result }, ' +
      'this.sessions.limits.resultsPerSessionMax);',
    replace:
      "if (result.status !== 'ok') session.remember({ sequence, fingerprint, result }, " +
      'this.sessions.limits.resultsPerSessionMax);',
    script: { file: `${KV}/kv-state-machine.test.ts`, test: 'once|repeat|retr' },
  },
  {
    id: 'kv-condition-ignores-revision',
    target: 'kv',
    bug: 'a compare-and-set succeeds on any revision of an existing key (K1)',
    file: `${KV}/kv-state-machine.ts`,
    find: 'return entry !== undefined && entry.revision === scan.conditionRevision;',
    replace: 'return entry !== undefined && entry.revision >= scan.conditionRevision;',
    script: { file: `${KV}/kv-state-machine.test.ts`, test: 'condition|compare|revision' },
  },
  {
    id: 'kv-snapshot-not-frozen',
    target: 'kv',
    bug: 'a snapshot that is being read shows changes made after its cut (C8)',
    file: `${KV}/entry-table.ts`,
    find: '      if (entry.revision > this.revision) continue;\n',
    replace: '',
    script: { file: `${KV}/kv-state-machine.test.ts`, test: 'snapshot|cut' },
  },
  {
    id: 'kv-delete-without-revision',
    target: 'kv',
    bug: 'a delete changes a key without a new revision (K2)',
    file: `${KV}/kv-state-machine.ts`,
    find: lines('    this.currentRevision++;', '    this.entries.delete(before);'),
    replace: '    this.entries.delete(before);',
    script: { file: `${KV}/kv-state-machine.test.ts`, test: 'revision|delete' },
  },
];

/** Bugs of the client: retries under new names, doubt told as certainty. */
export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    id: 'client-retry-under-new-sequence',
    target: 'client',
    bug: 'each attempt of a write gets a sequence of its own, so two may take effect (C10)',
    file: `${CLIENT}/kv-client.ts`,
    find: 'if (!operation.isWrite || operation.prepared) return true;',
    replace: 'if (!operation.isWrite) return true;',
    script: { file: `${CLIENT}/kv-client.test.ts`, test: 'retr|again|repeat|session' },
  },
  {
    id: 'client-doubt-told-as-failure',
    target: 'client',
    bug: 'a write whose connection broke is reported as definitely failed (C13)',
    file: `${CLIENT}/kv-client.ts`,
    find: "      const outcome = operation.isWrite ? 'unknown' : 'fail';",
    replace: "      const outcome = operation.isWrite ? 'fail' : 'fail';",
    script: { file: `${CLIENT}/kv-client.test.ts`, test: 'unknown|doubt' },
  },
  {
    id: 'client-deadline-told-as-failure',
    target: 'client',
    bug: 'a write without an answer in time is reported as definitely failed (C13)',
    file: `${CLIENT}/kv-client.ts`,
    find: "const outcome: OperationOutcome = operation.isWrite ? 'unknown' : 'fail';",
    replace: "const outcome: OperationOutcome = operation.isWrite ? 'fail' : 'fail';",
    script: { file: `${CLIENT}/kv-client.test.ts`, test: 'deadline|time' },
  },
  {
    id: 'client-forgets-earlier-doubt',
    target: 'client',
    bug: 'a definite refusal of the second attempt hides the doubt about the first (C13)',
    file: `${CLIENT}/kv-client.ts`,
    find: '    operation.inDoubt = operation.isWrite;\n',
    replace: '',
    script: { file: `${CLIENT}/kv-client.test.ts`, test: 'unknown|doubt' },
  },
];
