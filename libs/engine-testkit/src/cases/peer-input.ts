import { createRecordCodec, type NodeId, nodeId } from '@quorate/consensus';
import { concatBytes, crc32Table, createRandom, type Random } from '@quorate/foundation';
import type { ConformanceCase, ConformanceKit } from '../kit.ts';
import { expectThat } from '../kit.ts';

const SECOND = 1_000_000;
type Cluster<M> = ReturnType<ConformanceKit<M>['cluster']>;

interface Heard<M> {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: M;
  readonly bytes: Uint8Array;
}

/** Messages kept of one collecting run. */
const HEARD_MAX = 4_000;

/** Whatever a peer sends, an engine neither throws nor believes a stranger. */
export function peerInputCases<M>(): ConformanceCase<M>[] {
  return [
    { name: 'every message survives its codec', nodesMin: 3, run: codecRoundTrip },
    { name: 'the codec answers null to bytes that nobody sends', nodesMin: 3, run: codecFuzz },
    { name: 'messages of a stranger change nothing', nodesMin: 3, run: strangers },
    { name: 'mutated messages never throw, whatever the role', nodesMin: 3, run: mutants },
    { name: 'messages of the past never throw, whatever the role', nodesMin: 3, run: replays },
    { name: 'replays on lossy channels break nothing', nodesMin: 3, run: liveReplays },
  ];
}

/** A run with elections, load, a snapshot transfer and re-elections, and all it said. */
function collect<M>(kit: ConformanceKit<M>): Heard<M>[] {
  const codec = kit.protocol.createCodec(createRecordCodec(crc32Table));
  const heard: Heard<M>[] = [];
  const cluster = faulty(kit, 'collect');
  cluster.onMessage((from, to, message) => {
    if (heard.length >= HEARD_MAX) return;
    heard.push({ from, to, message, bytes: concatBytes(codec.encode(message)).slice() });
  });
  disturb(kit, cluster);
  expectThat(cluster, heard.length > 100, 'the run says something');
  return heard;
}

function faulty<M>(kit: ConformanceKit<M>, seed: string): Cluster<M> {
  const limits = { logTailBytesMin: 0, logTailBytesMax: 64, syncBytesMax: 64 };
  return kit.cluster({ nodes: 3, seed, snapshotEveryEntries: 6, config: { limits } });
}

function disturb<M>(kit: ConformanceKit<M>, cluster: Cluster<M>): void {
  for (let i = 0; i < 3; i++) {
    const leader = kit.elect(cluster);
    kit.load(cluster, SECOND / 10, 5_000);
    cluster.crash(leader);
    kit.load(cluster, SECOND / 2, 10_000);
    cluster.restart(leader);
  }
  cluster.run(SECOND / 2);
}

function codecRoundTrip<M>(kit: ConformanceKit<M>): void {
  const codec = kit.protocol.createCodec(createRecordCodec(crc32Table));
  for (const { message, bytes } of collect(kit)) {
    const said = kit.protocol.describeMessage(message);
    const decoded = codec.decode(bytes);
    if (decoded === null) throw new Error(`does not decode: ${said}`);
    const again = kit.protocol.describeMessage(decoded);
    if (again !== said) throw new Error(`"${said}" became "${again}"`);
    const encoded = concatBytes(codec.encode(decoded));
    if (encoded.join() !== bytes.join()) throw new Error(`encodes differently: ${said}`);
  }
}

function codecFuzz<M>(kit: ConformanceKit<M>): void {
  const codec = kit.protocol.createCodec(createRecordCodec(crc32Table));
  const random = createRandom('codec fuzz');
  for (const { bytes } of collect(kit).slice(0, 400)) {
    codec.decode(bytes.subarray(0, random.below(bytes.length + 1)));
    codec.decode(mutate(bytes, random));
    codec.decode(Uint8Array.from({ length: random.below(60) }, () => random.below(256)));
  }
}

/** Strangers: no member, whatever they say; the run must go on as if nothing had been said. */
function strangers<M>(kit: ConformanceKit<M>): void {
  const heard = collect(kit);
  const random = createRandom('strangers');
  const cluster = faulty(kit, 'strangers');
  kit.elect(cluster);
  for (let i = 0; i < 400; i++) {
    const { message } = heard[random.below(heard.length)] as Heard<M>;
    cluster.inject(99, cluster.ids[random.below(3)] as NodeId, message);
    const leader = cluster.leader();
    if (i % 10 === 0 && leader !== null) cluster.propose(leader, `amid-${i}`);
    cluster.run(SECOND / 400);
  }
  kit.settle(cluster);
}

/** A lying member may break safety; it must not make an engine throw. */
function mutants<M>(kit: ConformanceKit<M>): void {
  const codec = kit.protocol.createCodec(createRecordCodec(crc32Table));
  const random = createRandom('mutants');
  const lies: { from: NodeId; message: M }[] = [];
  for (const { from, bytes } of collect(kit)) {
    const message = codec.decode(mutate(bytes, random));
    if (message !== null) lies.push({ from: random.below(4) === 0 ? nodeId(99) : from, message });
  }
  stepIntoAll(kit, lies, random);
}

function replays<M>(kit: ConformanceKit<M>): void {
  stepIntoAll(kit, collect(kit), createRandom('replays'));
}

/**
 * Opens a cluster in one of several situations, steps one message into each engine and takes its
 * output; then throws the cluster away, because a false message may have made it lie.
 */
function stepIntoAll<M>(
  kit: ConformanceKit<M>,
  messages: readonly { from: NodeId; message: M }[],
  random: Random,
): void {
  for (let run = 0; run < 60; run++) {
    const cluster = faulty(kit, `situation ${run % 4}`);
    cluster.run(run % 4 === 0 ? 0 : SECOND / 4 + random.below(SECOND / 4));
    if (run % 4 >= 2) kit.load(cluster, SECOND / 20, 2_000);
    if (run % 4 === 3) cluster.crash(kit.elect(cluster));
    cluster.run(run % 4 === 3 ? 150_000 + random.below(200_000) : 0);
    for (const id of cluster.ids) {
      if (!cluster.isUp(id)) continue;
      const one = messages[random.below(messages.length)];
      if (one === undefined || one.from === id) continue;
      const said = kit.protocol.describeMessage(one.message);
      try {
        const { engine } = cluster.host(id);
        engine.clock(cluster.now());
        engine.step(one.from, one.message);
        engine.tick();
        engine.takeReady();
        engine.status();
        engine.checkpoint();
      } catch (error) {
        cluster.fail('peer input', `node ${id} threw at "${said}" from ${one.from}`, error);
      }
    }
  }
}

/** Where sessions do not matter, old messages may come back at any time, under full checks. */
function liveReplays<M>(kit: ConformanceKit<M>): void {
  if (kit.protocol.capabilities.needsFifoChannels) return;
  for (let seed = 1; seed <= 4; seed++) {
    const random = createRandom(`live replays ${seed}`);
    const cluster = kit.cluster({
      nodes: 3,
      seed: `live replays ${seed}`,
      network: { channels: 'lossy', reordering: 0.1 },
      snapshotEveryEntries: 20,
    });
    const heard: { from: NodeId; to: NodeId; message: M }[] = [];
    cluster.onMessage((from, to, message) => {
      if (heard.length < HEARD_MAX) heard.push({ from, to, message });
      const old = heard[random.below(heard.length)];
      if (random.below(10) === 0 && old !== undefined) {
        cluster.queue.after(random.below(SECOND / 10), () => {
          cluster.inject(old.from, old.to, old.message);
        });
      }
    });
    disturb(kit, cluster);
    kit.settle(cluster);
  }
}

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const mutated = bytes.slice();
  const changes = 1 + random.below(3);
  for (let i = 0; i < changes && mutated.length > 0; i++) {
    const at = random.below(mutated.length);
    mutated[at] =
      random.below(2) === 0 ? random.below(256) : (mutated[at] ?? 0) ^ (1 << random.below(8));
  }
  return mutated;
}
