import {
  type ConsensusEngine,
  createRecordCodec,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  decodeSnapshotMeta,
  type EngineConfig,
  type Instant,
  type Ready,
  RecordKind,
  type WalRecord,
} from '@quorate/consensus';
import { crc32Table, createRandom, required } from '@quorate/foundation';
import type { ConformanceCase, ConformanceKit } from '../kit.ts';
import { expectThat } from '../kit.ts';
import { SMALL_LOG } from './agreement.ts';

const SECOND = 1_000_000;
const records = createRecordCodec(crc32Table);
type Cluster<M> = ReturnType<ConformanceKit<M>['cluster']>;

/** The log as an engine's only memory: what compaction leaves is worth as much as everything. */
export function recoveryCases<M>(): ConformanceCase<M>[] {
  return [
    {
      name: 'fold(all) = fold(checkpoint + remaining), by status, checkpoint and behaviour',
      nodesMin: 1,
      run(kit) {
        for (let seed = 1; seed <= 8; seed++) compareFolds(kit, seed);
      },
    },
    {
      name: 'opening twice over the same records gives equal engines',
      nodesMin: 1,
      run(kit) {
        const cluster = worn(kit, 'twice');
        for (const id of cluster.ids) {
          const log = cluster.host(id).log.recover(records);
          compare(kit, cluster, id, log, log);
        }
      },
    },
  ];
}

/** A cluster after load, crashes and compaction. */
function worn<M>(kit: ConformanceKit<M>, seed: string): Cluster<M> {
  const cluster = kit.cluster({
    nodes: kit.usualSize,
    seed,
    snapshotEveryEntries: 7,
    disk: { segmentBatchesMax: 3 },
    keepArchive: true,
    config: SMALL_LOG,
  });
  for (let i = 0; i < 4; i++) {
    kit.load(cluster, SECOND / 4, 4_000);
    const leader = cluster.leader();
    if (leader !== null) cluster.crash(leader);
    kit.load(cluster, SECOND / 4, 4_000);
    if (leader !== null) cluster.restart(leader);
  }
  kit.load(cluster, SECOND / 2, 4_000);
  return cluster;
}

function compareFolds<M>(kit: ConformanceKit<M>, seed: number): void {
  const cluster = worn(kit, `fold ${seed}`);
  let compacted = false;
  for (const id of cluster.ids) {
    const { log } = cluster.host(id);
    const all = required(log.archive, 'the archive is kept').map(decodedAnew);
    const remaining = log.recover(records);
    compacted ||= all.length > remaining.length;
    compare(kit, cluster, id, all, remaining);
  }
  expectThat(cluster, compacted, 'compaction has deleted something');
}

function decodedAnew(record: WalRecord): WalRecord {
  const bytes = records.encode(record);
  return required(records.decode(bytes, 0, bytes.length), 'a record decodes');
}

function compare<M>(
  kit: ConformanceKit<M>,
  cluster: Cluster<M>,
  id: number,
  a: readonly WalRecord[],
  b: readonly WalRecord[],
): void {
  const left = behaviour(kit, openOver(kit, cluster, id, a), cluster.now());
  const right = behaviour(kit, openOver(kit, cluster, id, b), cluster.now());
  left.forEach((line, i) => {
    expectThat(
      cluster,
      line === right[i],
      `node ${id} from all:\n${line}\nfrom less:\n${right[i]}`,
    );
  });
}

function openOver<M>(
  kit: ConformanceKit<M>,
  cluster: Cluster<M>,
  id: number,
  log: readonly WalRecord[],
): ConsensusEngine<M> {
  const last = log.findLast((record) => record.kind === RecordKind.snapshot);
  const snapshot = last === undefined ? null : decodeSnapshotMeta(last.payload);
  const { membership } = cluster.status(id);
  const config: EngineConfig = {
    ...DEFAULT_TIMING,
    detector: 'timers',
    variants: {},
    ...kit.options.config,
    limits: { ...DEFAULT_LIMITS, ...kit.options.config.limits },
    id: required(
      cluster.ids.find((one) => one === id),
      'the node exists',
    ),
    membership: membership.current,
    now: cluster.now(),
  };
  return kit.protocol.open(config, createRandom('recovery'), snapshot, log);
}

/** What an engine says of itself at the start and does when it is left alone for a while. */
function behaviour<M>(
  kit: ConformanceKit<M>,
  engine: ConsensusEngine<M>,
  start: Instant,
): string[] {
  const lines = [text(engine.status()), `checkpoint ${engine.checkpoint().map(recordText)}`];
  for (let turn = 0; turn < 12; turn++) {
    const now = Math.max(start, engine.nextDeadline() ?? 0) as Instant;
    engine.clock(now);
    engine.tick();
    if (engine.hasReady()) {
      const ready = engine.takeReady();
      lines.push(readyText(kit, ready));
      engine.persisted(ready.number);
    }
    lines.push(`${now} ${text(engine.status())} ${engine.checkpoint().map(recordText)}`);
  }
  return lines;
}

function readyText<M>(kit: ConformanceKit<M>, ready: Ready<M>): string {
  const sent = [...ready.messages, ...ready.messagesAfterPersist];
  return [
    ready.records.map(recordText).join(),
    sent.map(({ to, message }) => `${to.join()} ${kit.protocol.describeMessage(message)}`).join(),
    ready.committed.map(({ index, type, payload }) => `${index} ${type} ${payload}`).join(),
    text(ready.snapshotToInstall),
  ].join('\n');
}

function recordText(record: WalRecord): string {
  const { kind, entryType, round, index, node, counter, payload } = record;
  return [kind, entryType, round, index, node, counter, payload].join(' ');
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? [...part] : part));
}
