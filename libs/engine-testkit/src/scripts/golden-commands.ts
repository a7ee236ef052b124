import {
  DEFAULT_TIMING,
  type NodeId,
  nodeId,
  type Protocol,
  type ReadLevel,
} from '@quorate/consensus';
import { GoldenCluster } from './golden-cluster.ts';

interface Command {
  readonly line: string;
  readonly verb: string;
  readonly plain: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

/** What the commands need of a cluster, whatever its messages are. */
type AnyCluster = Pick<
  GoldenCluster<unknown>,
  | 'ids'
  | 'tick'
  | 'elapse'
  | 'timeout'
  | 'propose'
  | 'read'
  | 'deliver'
  | 'drop'
  | 'connect'
  | 'disconnect'
  | 'stabilize'
  | 'fsync'
  | 'crash'
  | 'restart'
  | 'snapshot'
  | 'status'
>;

/** Commands on a link, `1->2`. */
const LINK_COMMANDS: Record<
  string,
  (cluster: AnyCluster, from: NodeId, to: NodeId, command: Command) => void
> = {
  deliver(cluster, from, to, { plain, options }) {
    const count = plain[1] === undefined ? Number.MAX_SAFE_INTEGER : Number(plain[1]);
    cluster.deliver(from, to, count, options.get('drop') ?? null);
  },
  drop: (cluster, from, to) => cluster.drop(from, to),
};

/** Commands with arguments of their own. */
const CLUSTER_COMMANDS: Record<string, (cluster: AnyCluster, command: Command) => void> = {
  tick(cluster, { plain }) {
    for (let i = 0; i < times(plain[1]); i++) {
      for (const id of nodes(cluster, plain[0])) cluster.tick(id);
    }
  },
  elapse(cluster, { plain }) {
    for (const id of nodes(cluster, plain[0])) cluster.elapse(id, Number(plain[1]));
  },
  timeout: (cluster, { plain }) => cluster.timeout(node(plain[0])),
  propose: (cluster, { plain }) => cluster.propose(node(plain[0]), plain.slice(1).join(' ')),
  read(cluster, { plain }) {
    cluster.read(node(plain[0]), (plain[1] ?? 'linearizable') as ReadLevel);
  },
  connect: (cluster, { plain }) => cluster.connect(node(plain[0]), node(plain[1])),
  disconnect: (cluster, { plain }) => cluster.disconnect(node(plain[0]), node(plain[1])),
  stabilize(cluster, { plain }) {
    cluster.stabilize(plain.length === 0 ? cluster.ids : plain.map(node));
  },
};

/** Commands on each node named, or on all. */
const NODE_COMMANDS: Record<string, (cluster: AnyCluster, id: NodeId, command: Command) => void> = {
  fsync: (cluster, id) => cluster.fsync(id),
  crash: (cluster, id, { options }) => cluster.crash(id, Number(options.get('keep') ?? 0)),
  restart: (cluster, id) => cluster.restart(id),
  snapshot: (cluster, id) => cluster.snapshot(id),
  status: (cluster, id) => cluster.status(id),
};

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

  private command(command: Command): void {
    const cluster = this.current(command.line);
    const onLinks = LINK_COMMANDS[command.verb];
    if (onLinks !== undefined) {
      eachLink(cluster, command.plain[0] ?? '', (from, to) => onLinks(cluster, from, to, command));
      return;
    }
    const whole = CLUSTER_COMMANDS[command.verb];
    if (whole !== undefined) {
      whole(cluster, command);
      return;
    }
    const each = NODE_COMMANDS[command.verb];
    if (each === undefined) throw new Error(`unknown command: ${command.line}`);
    const named = command.plain.length === 0 ? cluster.ids : command.plain.map(node);
    for (const id of named) each(cluster, id, command);
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

function nodes(cluster: AnyCluster, word: string | undefined): readonly NodeId[] {
  return word === '*' ? cluster.ids : [node(word)];
}

function times(word: string | undefined): number {
  return word === undefined ? 1 : Number(word.replace('x', ''));
}

/** `1->2`, `1->*`, `*->2` or `*->*`. */
function eachLink(
  cluster: AnyCluster,
  word: string,
  act: (from: NodeId, to: NodeId) => void,
): void {
  const [from, to] = word.split('->');
  for (const a of nodes(cluster, from)) {
    for (const b of nodes(cluster, to)) if (a !== b) act(a, b);
  }
}

function plainValue(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}
