import { describe, expect, it } from 'vitest';
import { checkLinearizability } from './check.ts';
import { ConfigurationCache } from './configuration-cache.ts';
import { drawHtml, drawSvg } from './draw-svg.ts';
import { drawText } from './draw-text.ts';
import { HistoryError } from './errors.ts';
import { canonicalText } from './event.ts';
import { generateHistory } from './generated-history.ts';
import { findLostWrites } from './lost-writes.ts';
import { formatHistory, parseHistory } from './ndjson.ts';
import { eventsOf, pairOperations } from './operation.ts';

type Row = readonly [process: number, type: string, f: string, value?: unknown];

function historyOf(rows: readonly Row[]): string {
  return rows
    .map(([process, type, f, value], time) =>
      JSON.stringify({
        time,
        process,
        type,
        f,
        key: 'k',
        ...(value === undefined ? {} : { value }),
      }),
    )
    .join('\n');
}

function operationsOf(...rows: readonly Row[]) {
  return pairOperations(parseHistory(historyOf(rows)));
}

const invokeWrite = '{"time":0,"process":1,"type":"invoke","f":"write","key":"k","value":1}';

describe('parseHistory', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['text', 'hello', /^line 2: not JSON: hello$/],
    ['an array', '[1]', /^line 2: not a JSON object/],
    ['a type', '{"time":0,"process":1,"type":"okay","f":"read"}', /line 2: "type" is "okay", all/],
    ['a function', '{"time":0,"process":1,"type":"ok","f":"get"}', /"f" is "get", allowed: read, /],
    ['no time', '{"process":1,"type":"ok","f":"read","key":"k"}', /"time" is missing, allowed/],
    ['a process', '{"time":0,"process":-1,"type":"ok","f":"read"}', /"process" is -1, allowed/],
    ['a key', '{"time":0,"process":1,"type":"ok","f":"read","key":[]}', /"key" is \[\], allowed/],
    ['a cas', '{"time":0,"process":1,"type":"invoke","f":"cas","value":1}', /\[expected, new\]/],
    ['no value', '{"time":0,"process":1,"type":"invoke","f":"write"}', /a write needs one/],
  ];
  it.each(cases)('names the line and what is allowed: %s', (_name, line, message) => {
    expect(() => parseHistory(`${invokeWrite}\n${line}`)).toThrow(message);
  });

  it('passes over empty lines and faults, and counts them as lines', () => {
    const nemesis = '{"time":1,"process":"nemesis","type":"info","f":"kill"}';
    const events = parseHistory(`\n${invokeWrite}\r\n\n${nemesis}\n${invokeWrite}\n`);
    expect(events.map(({ line }) => line)).toEqual([2, 5]);
  });

  it('reads what it writes', () => {
    const mix = { read: 3, write: 3, cas: 2, delete: 1, append: 1 };
    const options = { seed: 2, operations: 300, clients: 5, keys: 3, mix };
    const operations = generateHistory({ ...options, valuesMax: null, infoShare: 0.1 });
    const text = formatHistory(eventsOf(operations));
    expect(formatHistory(parseHistory(text))).toBe(text);
    const again = pairOperations(parseHistory(text));
    const facts = (list: typeof again) =>
      list.map(({ process, f, key, value }) => ({ process, f, key, value }));
    expect(facts(again)).toEqual(facts(operations));
  });
});

describe('pairOperations', () => {
  const refused: readonly (readonly [string, readonly Row[], RegExp])[] = [
    ['an end alone', [[1, 'ok', 'read', null]], /line 1: process 1 has a "ok" without/],
    [
      'two at once',
      [
        [1, 'invoke', 'read'],
        [1, 'invoke', 'read'],
      ],
      /line 2: .*still open/,
    ],
    [
      'reuse after info',
      [
        [1, 'invoke', 'write', 1],
        [1, 'info', 'write', 1],
        [1, 'invoke', 'read'],
      ],
      /line 3: process 1 is used again/,
    ],
    [
      'another operation',
      [
        [1, 'invoke', 'read'],
        [1, 'ok', 'write', 1],
      ],
      /line 2: .*never invoked/,
    ],
  ];
  it.each(refused)('refuses %s', (_name, rows, message) => {
    expect(() => operationsOf(...rows)).toThrow(HistoryError);
    expect(() => operationsOf(...rows)).toThrow(message);
  });

  it('counts an invocation without an end as indefinite', () => {
    expect(operationsOf([1, 'invoke', 'write', 1])[0]).toMatchObject({ outcome: 'info' });
  });
});

describe('canonicalText', () => {
  it('is equal for equal values, whatever the order of fields', () => {
    expect(canonicalText({ b: [1, { d: null, c: 'x' }], a: 2 })).toBe(
      canonicalText({ a: 2, b: [1, { c: 'x', d: null }] }),
    );
    expect(canonicalText('1')).not.toBe(canonicalText(1));
  });
});

describe('findLostWrites', () => {
  it('counts acknowledged writes that the read-back rules out', () => {
    const operations = operationsOf(
      [1, 'invoke', 'write', 'a'],
      [1, 'ok', 'write'],
      [1, 'invoke', 'write', 'b'],
      [1, 'ok', 'write'],
      [1, 'invoke', 'delete'],
      [1, 'ok', 'delete'],
      [2, 'invoke', 'read'],
      [2, 'ok', 'read', 'a'],
    );
    const lost = findLostWrites(operations);
    expect(lost).toMatchObject({ ackedWrites: 3, ackedLost: 2, keysWithoutReadBack: 0 });
    expect(lost.examples.map(({ write }) => write.f)).toEqual(['write', 'delete']);
  });

  it('counts none when a concurrent or indefinite write explains the read', () => {
    const concurrent = operationsOf(
      [1, 'invoke', 'write', 'a'],
      [2, 'invoke', 'write', 'b'],
      [1, 'ok', 'write'],
      [2, 'ok', 'write'],
      [3, 'invoke', 'read'],
      [3, 'ok', 'read', 'a'],
    );
    expect(findLostWrites(concurrent).ackedLost).toBe(0);
    const indefinite = operationsOf(
      [1, 'invoke', 'write', 'a'],
      [1, 'info', 'write'],
      [2, 'invoke', 'write', 'b'],
      [2, 'ok', 'write'],
      [3, 'invoke', 'read'],
      [3, 'ok', 'read', 'a'],
    );
    expect(findLostWrites(indefinite).ackedLost).toBe(0);
  });

  it('says which keys nobody read back, and knows lists', () => {
    expect(findLostWrites(operationsOf([1, 'invoke', 'write', 1], [1, 'ok', 'write']))).toEqual({
      ackedWrites: 1,
      ackedLost: 0,
      examples: [],
      keysWithoutReadBack: 1,
    });
    const appends = operationsOf(
      [1, 'invoke', 'append', 1],
      [1, 'ok', 'append'],
      [1, 'invoke', 'append', 2],
      [1, 'ok', 'append'],
      [2, 'invoke', 'read'],
      [2, 'ok', 'read', [2]],
    );
    expect(findLostWrites(appends).ackedLost).toBe(1);
    expect(checkLinearizability(appends).verdict).toBe('notLinearizable');
  });

  it('finds nothing in a good history', () => {
    const mix = { read: 4, write: 4, cas: 1, delete: 1 };
    const options = { operations: 2_000, clients: 16, keys: 8, mix, valuesMax: null };
    for (let seed = 0; seed < 5; seed++) {
      const history = generateHistory({ seed, ...options, infoShare: 0.02 });
      expect(findLostWrites(history).ackedLost).toBe(0);
    }
  });
});

describe('drawings', () => {
  const [violation] = checkLinearizability(
    operationsOf(
      [1, 'invoke', 'write', 'a<b'],
      [1, 'ok', 'write'],
      [2, 'invoke', 'write', 'b'],
      [2, 'ok', 'write'],
      [3, 'invoke', 'read'],
      [3, 'ok', 'read', 'a<b'],
    ),
  ).violations;

  it('shows the stale read as text', () => {
    expect(violation && drawText(violation)).toBe(
      [
        'key "k": not linearizable; ' +
          'a value was seen after an acknowledged operation had replaced it',
        '3 of its 3 operations fail by themselves, with no such key at the start:',
        '',
        '  process 1  [ write "a<b" ]',
        '  process 2                  [ write "b" ]',
        '  process 3                                [ read -> "a<b" ]',
        '',
        '  time goes to the right; [ invoked, ] returned, ~ never returned',
        '',
      ].join('\n'),
    );
  });

  it('escapes what it draws, names itself, and asks for nothing', () => {
    const svg = violation ? drawSvg(violation) : '';
    expect(svg).toContain('<title>Key k: the smallest failing part of the history</title>');
    expect(svg).toContain('write &quot;a&lt;b&quot;');
    const page = violation ? drawHtml(violation) : '';
    expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|src=/);
  });
});

describe('ConfigurationCache', () => {
  it('knows exactly what was added, and stops at its limit', () => {
    const cache = new ConfigurationCache(3, 64 * 1024);
    const at = (i: number) => Int32Array.of(i, i % 7, -i);
    let full = 0;
    for (let i = 0; i < 1_500; i++) expect(cache.add(at(i))).toBe('added');
    for (let i = 0; i < 1_500; i++) expect(cache.add(at(i))).toBe('seen');
    for (let i = 1_500; i < 9_000; i++) if (cache.add(at(i)) === 'full') full++;
    expect(full).toBeGreaterThan(0);
  });
});
