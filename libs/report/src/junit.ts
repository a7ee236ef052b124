import { escapeMarkup } from './figures.ts';
import type { Run, RunProtocol } from './run-schema.ts';
import { type VerdictLine, verdictLines } from './verdict-lines.ts';

/** The verdicts as JUnit XML: a suite for each protocol; undecided counts as an error. */
export function renderJunit(run: Run): string {
  const suites = run.protocols.map((protocol) => suite(run, protocol));
  const name = escapeMarkup(run.scenario.name);
  const head = '<?xml version="1.0" encoding="UTF-8"?>';
  return `${head}\n<testsuites name="${name}">\n${suites.join('')}</testsuites>\n`;
}

function suite(run: Run, protocol: RunProtocol): string {
  const lines = verdictLines(protocol);
  const names = [
    'linearizable',
    'acked_lost',
    ...protocol.verdicts.slo
      .filter(({ metric }) => metric !== 'linearizable' && metric !== 'acked_lost')
      .map(({ expression }) => expression),
  ];
  const failures = lines.filter(({ mark }) => mark === 'bad').length;
  const errors = lines.filter(({ mark }) => mark === 'open').length;
  const seconds = protocol.blocks.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1_000;
  const head =
    `  <testsuite name="${escapeMarkup(protocol.name)}" tests="${lines.length}"` +
    ` failures="${failures}" errors="${errors}" time="${seconds.toFixed(3)}"` +
    ` timestamp="${escapeMarkup(run.startedAt.slice(0, 19))}">\n`;
  const cases = lines.map((line, i) => testCase(protocol.name, names[i] ?? line.text, line));
  return `${head}${cases.join('')}  </testsuite>\n`;
}

function testCase(suiteName: string, name: string, { mark, text }: VerdictLine): string {
  const attributes = `classname="${escapeMarkup(suiteName)}" name="${escapeMarkup(name)}"`;
  if (mark === 'good') return `    <testcase ${attributes}/>\n`;
  const kind = mark === 'bad' ? 'failure' : 'error';
  const inner = `<${kind} message="${escapeMarkup(text)}"/>`;
  return `    <testcase ${attributes}>${inner}</testcase>\n`;
}
