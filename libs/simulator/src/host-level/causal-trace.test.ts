import { raft } from '@quorate/raft';
import { describe, expect, it } from 'vitest';
import { CausalTrace, SHIVIZ_PARSER } from './causal-trace.ts';
import { runHosts } from './host-run.ts';

interface Parsed {
  readonly host: string;
  readonly clock: Readonly<Record<string, number>>;
  readonly event: string;
}

/** Reads a log as ShiViz does: by the parser in its first line. */
function parse(lines: readonly string[]): Parsed[] {
  const [parser = '', delimiter, ...rest] = lines;
  expect(parser).toBe(SHIVIZ_PARSER);
  expect(delimiter).toBe('');
  return rest.map((line) => {
    const { host, clock, event } = new RegExp(`^${parser}$`).exec(line)?.groups ?? {};
    return { host: host ?? '', clock: JSON.parse(clock ?? ''), event: event ?? '' };
  });
}

const dominates = (later: Parsed, earlier: Parsed): boolean =>
  Object.entries(earlier.clock).every(([host, time]) => (later.clock[host] ?? 0) >= time);

/** What ShiViz refuses: a host's clock counts 1, 2, 3 ..., and names only events that exist. */
function isDrawable(events: readonly Parsed[]): void {
  const counts = new Map<string, number>();
  for (const { host, clock } of events) {
    const own = (counts.get(host) ?? 0) + 1;
    expect(clock[host]).toBe(own);
    counts.set(host, own);
    for (const [other, time] of Object.entries(clock)) {
      expect(time).toBeLessThanOrEqual(counts.get(other) ?? 0);
    }
  }
}

/** Each receipt with the sends that it names, where the log still holds them. */
function receipts(events: readonly Parsed[]): { got: Parsed; sent: Parsed[] }[] {
  const sends = new Map<string, Parsed>();
  const found: { got: Parsed; sent: Parsed[] }[] = [];
  for (const event of events) {
    const [, number] = /^sends (#\d+) to/.exec(event.event) ?? [];
    if (number !== undefined) sends.set(number, event);
    const [, numbers] = /^gets (#.*?) from/.exec(event.event) ?? [];
    if (numbers === undefined) continue;
    const sent = numbers.split(', ').flatMap((name) => sends.get(name) ?? []);
    found.push({ got: event, sent });
  }
  return found;
}

const OPTIONS = {
  ...{ protocol: raft, seed: 3, safetyMicros: 3_000_000 },
  faults: ['kill', 'reset', 'delay', 'powerCut'] as const,
};

describe('a causal trace', () => {
  it('orders every receipt behind its send, between replicas and with clients', () => {
    const trace = new CausalTrace(100_000);
    const { hash } = runHosts({ ...OPTIONS, causalTrace: trace });
    const events = parse(trace.shiVizLines());
    isDrawable(events);
    const found = receipts(events);
    expect(found.length).toBeGreaterThan(500);
    for (const { got, sent } of found) {
      expect(sent.length, got.event).toBeGreaterThan(0);
      for (const one of sent) expect(dominates(got, one), `${one.event} > ${got.event}`).toBe(true);
    }
    for (const host of ['node-1', 'client-1', 'client-2']) {
      expect(events.some((event) => event.host === host)).toBe(true);
    }
    expect(events.some(({ event }) => /sends #\d+ to node-\d: appendEntries/.test(event))).toBe(
      true,
    );
    expect(runHosts(OPTIONS).hash, 'tracing changes nothing').toBe(hash);
  });

  it('does not order what nobody heard of', () => {
    const trace = new CausalTrace(10);
    const pipe = {};
    trace.written(pipe, { at: 1, from: 1, to: 2, bytes: 10 });
    trace.local(2, 2, 'meanwhile');
    trace.delivered(pipe, { at: 3, from: 1, to: 2, bytes: 4 });
    trace.local(4, 1, 'later');
    const [send, meanwhile, got, later] = parse(trace.shiVizLines()) as [
      ...[Parsed, Parsed, Parsed, Parsed],
    ];
    expect(dominates(got, send) && dominates(got, meanwhile)).toBe(true);
    expect(dominates(meanwhile, send)).toBe(false);
    expect(dominates(got, later) || dominates(later, got)).toBe(false);
  });

  it('keeps the last events, and stays drawable', () => {
    const trace = new CausalTrace(300);
    runHosts({ ...OPTIONS, safetyMicros: 1_000_000, causalTrace: trace });
    const events = parse(trace.shiVizLines());
    expect(events).toHaveLength(300);
    isDrawable(events);
  });
});
