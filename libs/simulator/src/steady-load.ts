import type { Random } from '@quorate/foundation';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** One request in so many is a read, of which one in so many is a stale one. */
const READ_ONE_IN = 4;
const STALE_ONE_IN = 4;
/** One request in so many goes to any node instead of the leader. */
const ANY_NODE_ONE_IN = 5;

/** Clients that keep asking: unique proposals mostly at the leader, reads anywhere. */
export class SteadyLoad<M> {
  private readonly cluster: SimulatedCluster<M>;
  private readonly random: Random;
  private readonly everyMicros: number;
  private running = false;

  constructor(cluster: SimulatedCluster<M>, everyMicros: number) {
    this.cluster = cluster;
    this.random = cluster.random.split(`load ${cluster.requests.length}`);
    this.everyMicros = everyMicros;
  }

  start(): void {
    this.running = true;
    this.next();
  }

  stop(): void {
    this.running = false;
  }

  private next(): void {
    if (!this.running) return;
    this.ask();
    const pause = this.random.below(2 * this.everyMicros + 1);
    this.cluster.queue.after(pause, () => this.next());
  }

  private ask(): void {
    const { ids } = this.cluster;
    const any = ids[this.random.below(ids.length)] as number;
    if (this.random.below(READ_ONE_IN) === 0) {
      const stale = this.random.below(STALE_ONE_IN) === 0;
      this.cluster.read(any, stale ? 'stale' : 'linearizable');
      return;
    }
    const atAny = this.random.below(ANY_NODE_ONE_IN) === 0;
    const node = atAny ? any : (this.cluster.leader() ?? any);
    this.cluster.propose(node, `load-${this.cluster.requests.length}`);
  }
}
