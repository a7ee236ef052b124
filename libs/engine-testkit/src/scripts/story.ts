import type { Protocol } from '@quorate/consensus';
import { GoldenRunner } from './golden-commands.ts';

/** Rounds of time and delivery before `untilLeader` gives up. */
const ROUNDS_MAX = 60;
/** Rounds that it lets pass at least: an old leader may not have noticed yet that it is none. */
const ROUNDS_MIN = 9;
const COMMIT = /^(\d+) commits (\d+) (.*?)(?: ticket (\d+))?$/;
const STATUS = /^(\d+) (\w+) \(([\w-]+)\) round (\d+) leader (\S+) commit (\d+) last (\d+)/;
/** The phases in which a leader of one of the protocols serves. */
const SERVING = ['leader', 'phase-2', 'broadcast', 'serving'];

/** What a node says of itself. */
export interface StoryStatus {
  readonly role: string;
  readonly phase: string;
  readonly round: number;
  readonly leader: number | null;
  readonly commitIndex: number;
  readonly lastIndex: number;
}

/**
 * A golden script that a test writes as a story: commands of the same language, and questions
 * about what came of them. The invariants of the simulator are checked after every command, so a
 * story that breaks one throws where it does.
 */
export class Story<M> {
  /** Everything printed so far. */
  readonly lines: string[] = [];
  private readonly runner: GoldenRunner<M>;

  constructor(protocol: Protocol<M>, cluster: string) {
    this.runner = new GoldenRunner(protocol);
    this.tell(cluster);
  }

  /** Runs commands, one a line; returns what they printed. */
  tell(script: string): string[] {
    const commands = script
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    const printed = commands.flatMap((command) => this.runner.run(command));
    this.lines.push(...printed);
    return printed;
  }

  /**
   * Lets time pass for these nodes alone and delivers among them until one of them serves as a
   * leader; returns it. Throws when none does.
   */
  untilLeader(...among: readonly number[]): number {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const id of among) this.tell(`tick ${id}`);
      this.tell(`stabilize ${among.join(' ')}`);
      const leaders = among.filter((id) => this.leads(id));
      const [leader] = leaders;
      if (round >= ROUNDS_MIN && leaders.length === 1 && leader !== undefined) return leader;
    }
    throw new Error(`nobody leads among ${among.join(', ')}`);
  }

  /** True when the node serves as a leader. */
  leads(id: number): boolean {
    const status = this.status(id);
    return status?.role === 'leader' && SERVING.includes(status.phase);
  }

  /** What the node says of itself; null while it is down. */
  status(id: number): StoryStatus | null {
    const said = this.runner.run(`status ${id}`)[0] ?? '';
    const match = STATUS.exec(said);
    if (match === null) return null;
    const [, , role = '', phase = '', round, leader, commitIndex, lastIndex] = match;
    return {
      role,
      phase,
      round: Number(round),
      leader: leader === '-' ? null : Number(leader),
      commitIndex: Number(commitIndex),
      lastIndex: Number(lastIndex),
    };
  }

  /** The texts that the node has committed since its last start, by index. */
  commits(id: number): string[] {
    const found = new Map<number, string>();
    for (const line of this.lines) {
      if (line === `${id} crashed`) found.clear();
      const match = COMMIT.exec(line);
      if (match === null || Number(match[1]) !== id) continue;
      const what = match[3] ?? '';
      if (what.startsWith('"')) found.set(Number(match[2]), what.slice(1, -1));
    }
    return [...found].sort(([a], [b]) => a - b).map(([, text]) => text);
  }

  /** How a request ended: its index, `unknown`, `lost`, or null while it is open. */
  conclusion(ticket: number): number | 'unknown' | 'lost' | null {
    for (const line of this.lines) {
      const committed = COMMIT.exec(line);
      if (committed?.[4] === String(ticket)) return Number(committed[2]);
      const read = / reads ticket (\d+) at (\d+)$/.exec(line);
      if (read?.[1] === String(ticket)) return Number(read[2]);
      const given = / abandons ticket (\d+): (unknown|lost)$/.exec(line);
      if (given?.[1] === String(ticket)) return given[2] as 'unknown' | 'lost';
    }
    return null;
  }
}
