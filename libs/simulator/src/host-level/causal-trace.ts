import { FIRST_CLIENT_NODE } from './client-load.ts';

/** What one host did at one moment, and the events of others that it may have known of by then. */
interface CausalEvent {
  readonly number: number;
  readonly atMicros: number;
  readonly host: string;
  readonly text: string;
  /** Numbers of the events whose bytes it got: a write happens before what reads it. */
  readonly causes: readonly number[];
}

/** Bytes in one direction of one connection. */
interface Transfer {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

interface Written {
  readonly number: number;
  readonly label: string;
  /** Of the bytes of the connection, those of this write end here. */
  readonly end: number;
}

interface PipeState {
  writtenBytes: number;
  deliveredBytes: number;
  writes: Written[];
}

/** The first line of the log, and what to paste as the parser: one event a line. */
export const SHIVIZ_PARSER = '(?<host>\\S+) (?<clock>\\{[^}]*\\}) (?<time>\\S+) (?<event>.*)';
const TEXT_MAX = 160;

/** How traces call a machine: `node-2`, `client-1`; `faults` is who breaks things. */
export function nodeName(id: number): string {
  if (id === 0) return 'faults';
  return id < FIRST_CLIENT_NODE ? `node-${id}` : `client-${id - FIRST_CLIENT_NODE + 1}`;
}

/**
 * Follows every byte between machines from its writer to its reader, and so knows which event may
 * have caused which (Lamport, "Time, Clocks, and the Ordering of Events", CACM 1978). It keeps the
 * last events; their vector clocks (Fidge 1988, Mattern 1989) count from the first one kept.
 */
export class CausalTrace {
  private readonly eventsMax: number;
  private events: CausalEvent[] = [];
  private count = 0;
  private readonly pipes = new WeakMap<object, PipeState>();
  /** What was said since the last write, by `from>to`. */
  private readonly labels = new Map<string, string[]>();

  constructor(eventsMax: number) {
    this.eventsMax = eventsMax;
  }

  /** An event of one machine alone. */
  local(at: number, node: number, text: string): void {
    this.add(at, node, text, []);
  }

  /** What the next bytes from one machine to another say. */
  says(from: number, to: number, text: string): void {
    const key = `${from}>${to}`;
    const known = this.labels.get(key);
    if (known === undefined) this.labels.set(key, [text]);
    else known.push(text);
  }

  /** A machine writes bytes to a connection. */
  written(pipe: object, { at, from, to, bytes }: Transfer): void {
    const state = this.pipes.get(pipe) ?? { writtenBytes: 0, deliveredBytes: 0, writes: [] };
    this.pipes.set(pipe, state);
    const key = `${from}>${to}`;
    const said = this.labels.get(key) ?? [];
    this.labels.delete(key);
    const label = said.length > 0 ? said.join(' + ') : `${bytes} bytes`;
    const number = this.add(at, from, `sends #${this.count} to ${nodeName(to)}: ${label}`, []);
    state.writtenBytes += bytes;
    state.writes.push({ number, label, end: state.writtenBytes });
  }

  /** A process gets the next bytes of a connection: of one write, of several, or a part of one. */
  delivered(pipe: object, { at, from, to, bytes }: Transfer): void {
    const state = this.pipes.get(pipe);
    if (state === undefined) return;
    state.deliveredBytes += bytes;
    const begun = state.writes.findIndex(({ end }) => end >= state.deliveredBytes);
    const seen = state.writes.slice(0, begun < 0 ? state.writes.length : begun + 1);
    state.writes = state.writes.filter(({ end }) => end > state.deliveredBytes);
    const labels = seen.map(({ label, end }) => {
      return end > state.deliveredBytes ? `a part of ${label}` : label;
    });
    const causes = seen.map(({ number }) => number);
    const names = causes.map((number) => `#${number}`).join(', ');
    this.add(at, to, `gets ${names} from ${nodeName(from)}: ${labels.join(' + ')}`, causes);
  }

  /** The last events as a log for ShiViz: the parser, an empty line, then an event a line. */
  shiVizLines(): string[] {
    const kept = this.events.slice(-this.eventsMax);
    const lines = [SHIVIZ_PARSER, ''];
    const clocks = new Map<number, ReadonlyMap<string, number>>();
    const latest = new Map<string, ReadonlyMap<string, number>>();
    for (const { number, atMicros, host, text, causes } of kept) {
      const clock = new Map(latest.get(host) ?? []);
      for (const cause of causes) {
        for (const [other, time] of clocks.get(cause) ?? []) {
          clock.set(other, Math.max(time, clock.get(other) ?? 0));
        }
      }
      clock.set(host, (clock.get(host) ?? 0) + 1);
      clocks.set(number, clock);
      latest.set(host, clock);
      const seconds = (atMicros / 1e6).toFixed(6);
      lines.push(`${host} ${JSON.stringify(Object.fromEntries(clock))} ${seconds}s ${text}`);
    }
    return lines;
  }

  private add(at: number, node: number, text: string, causes: readonly number[]): number {
    const number = this.count++;
    const oneLine = text.replaceAll(/\s+/g, ' ').trim();
    const short = oneLine.length > TEXT_MAX ? `${oneLine.slice(0, TEXT_MAX)} ...` : oneLine;
    this.events.push({ number, atMicros: at, host: nodeName(node), text: short, causes });
    if (this.events.length > 2 * this.eventsMax) this.events = this.events.slice(-this.eventsMax);
    return number;
  }
}
