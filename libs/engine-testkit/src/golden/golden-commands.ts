import { DEFAULT_TIMING, type NodeId, nodeId, type Protocol, type ReadLevel } from '@quorate/consensus';
import { GoldenCluster } from './golden-cluster.ts';

/** Runs the commands of one script; the language stands in the README of this library. */
export class GoldenRunner<M> {
  private readonly protocol: Protocol<M>;
  private cluster: GoldenCluster<M> | null = null;

  constructor(protocol: Protocol<M>) {
    this.protocol = protocol;
  }

  /** Runs one line and returns what it printed. Throws, naming the line, on an unknown command. */
  run(line: string): string[] {
    const [verb = '', ...words] = line.split(/\s+/);
    const options = new Map<string, string>();
    const plain: string[] = [];
    for (const word of words) {
      const equals = word.indexOf('=');
      if (equals < 0) plain.push(word);
      else options.set(word.slice(0, equals), word.slice(equals + 1));
    }
    if (verb === 'cluster') this.open(plain, options);
    else this.command({ line, verb, plain, options });
    return this.current(line).takeLines();
  }

  private open(plain: readonly string[], options: ReadonlyMap<string, string>): void {
    const variants: Record<string, boolean | number | string> = {};
    for (const [name, value] of options) {
      if (name.startsWith('variant.')) variants[name.slice('variant.'.length)] = plainValue(value);
    }
    const heartbeat = Number(options.get('heartbeat') ?? DEFAULT_TIMING.heartbeatMicros / 1_000);
    const tail = options.get('tail');
    const limits = tail === undefined ? {} : { logTailBytesMin: 0, logTailBytesMax: Number(tail) };
    this.cluster = new GoldenCluster(this.protocol, {
      nodes: Number(plain[0]),
      seed: options.get('seed') ?? '1',
      snapshots: Number(options.get('snapshots') ?? 0),
      config: { variants, heartbeatMicros: heartbeat * 1_000, limits },
    });
  }

  private command(command: {
    readonly line: string;
    readonly verb: string;
    readonly plain: readonly string[];
    readonly options: ReadonlyMap<string, string>;
  }): void {
    const { line, verb, plain, options } = command;
    const cluster = this.current(line);
    const first = plain[0] ?? '';
    switch (verb) {
      case 'tick':
        for (let i = 0; i < times(plain[1]); i++) {
          for (const id of nodes(cluster, first)) cluster.tick(id);
        }
        return;
      case 'elapse':
        for (const id of nodes(cluster, first)) cluster.elapse(id, Number(plain[1]));
        return;
      case 'timeout':
        return cluster.timeout(node(first));
      case 'propose':
        return cluster.propose(node(first), plain.slice(1).join(' '));
      case 'read':
        return cluster.read(node(first), (plain[1] ?? 'linearizable') as ReadLevel);
      case 'deliver': {
        const count = plain[1] === undefined ? Number.MAX_SAFE_INTEGER : Number(plain[1]);
        const drop = options.get('drop') ?? null;
        return each(cluster, first, (a, b) => cluster.deliver(a, b, count, drop));
      }
      case 'drop':
        return each(cluster, first, (a, b) => cluster.drop(a, b));
      case 'connect':
        return cluster.connect(node(first), node(plain[1]));
      case 'disconnect':
        return cluster.disconnect(node(first), node(plain[1]));
      case 'stabilize':
        return cluster.stabilize(plain.length === 0 ? cluster.ids : plain.map(node));
      default:
        return this.nodeCommand(cluster, command);
    }
  }

  private nodeCommand(
    cluster: GoldenCluster<M>,
    command: {
      readonly line: string;
      readonly verb: string;
      readonly plain: readonly string[];
      readonly options: ReadonlyMap<string, string>;
    },
  ): void {
    const each = command.plain.length === 0 ? cluster.ids : command.plain.map(node);
    for (const id of each) {
      switch (command.verb) {
        case 'fsync':
          cluster.fsync(id);
          break;
        case 'crash':
          cluster.crash(id, Number(command.options.get('keep') ?? 0));
          break;
        case 'restart':
          cluster.restart(id);
          break;
        case 'snapshot':
          cluster.snapshot(id);
          break;
        case 'status':
          cluster.status(id);
          break;
        default:
          throw new Error(`unknown command: ${command.line}`);
      }
    }
  }

  private current(line: string): GoldenCluster<M> {
    if (this.cluster === null) throw new Error(`"${line}" stands before "cluster"`);
    return this.cluster;
  }
}

function node(word: string | undefined): NodeId {
  const number = Number(word);
  if (!Number.isInteger(number) || number < 1) throw new Error(`"${word}" is no node`);
  return nodeId(number);
}

function nodes<M>(cluster: GoldenCluster<M>, word: string): readonly NodeId[] {
  return word === '*' ? cluster.ids : [node(word)];
}

function times(word: string | undefined): number {
  return word === undefined ? 1 : Number(word.replace('x', ''));
}

/** `1->2`, `1->*`, `*->2` or `*->*`. */
function each<M>(
  cluster: GoldenCluster<M>,
  word: string,
  act: (from: NodeId, to: NodeId) => void,
): void {
  const [from, to] = word.split('->');
  for (const a of nodes(cluster, from ?? '')) {
    for (const b of nodes(cluster, to ?? '')) if (a !== b) act(a, b);
  }
}

function plainValue(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}
