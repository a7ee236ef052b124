import { protocolStyle } from './chart-palette.ts';
import { COMPARISON_COLUMNS, comparisonRows, failoverRemark } from './comparison-table.ts';
import { COST_COLUMNS, costRemark, costRows, virtualTimeRemark } from './cost-table.ts';
import { showCount } from './figures.ts';
import type { ReportInput } from './report-input.ts';
import type { Run } from './run-schema.ts';
import {
  headline,
  limitLines,
  protocolTitle,
  VERDICT_SIGNS,
  verdictLines,
} from './verdict-lines.ts';

/** The report as Markdown: verdicts first, then the table, the errors, and what limited the run. */
export function renderMarkdown({ run, drawings }: ReportInput): string {
  const top = headline(run);
  const { labels } = run;
  const virtual = virtualTimeRemark(run);
  const lines = [
    `# ${run.scenario.name}`,
    '',
    `${labels.nodes} nodes, runtime ${labels.runtime}, transport ${labels.transport}, ` +
      `sync ${labels.sync}, ${run.startedAt}`,
    '',
    `**${VERDICT_SIGNS[top.mark]} ${top.text}**`,
    ...(virtual === null ? [] : ['', `*${virtual}*`]),
    ...(run.quick ? ['', '*Quick run: not for comparison.*'] : []),
    '',
  ];
  run.protocols.forEach((protocol, place) => {
    lines.push(`## ${protocolTitle(protocol, place)}`, '');
    for (const { mark, text } of verdictLines(protocol))
      lines.push(`- ${VERDICT_SIGNS[mark]} ${text}`);
    const drawing = drawings.get(protocol.name);
    if (drawing !== undefined) lines.push('', '```text', drawing.trimEnd(), '```');
    lines.push('');
  });
  lines.push('## Comparison', '', row(['protocol', ...COMPARISON_COLUMNS]));
  lines.push(row(['---', ...COMPARISON_COLUMNS.map(() => '---:')]));
  for (const { title, cells, violation } of comparisonRows(run)) {
    lines.push(
      row([title, ...(cells ?? [violation ?? '', ...COMPARISON_COLUMNS.slice(1).map(() => '')])]),
    );
  }
  lines.push(
    '',
    failoverRemark(run),
    ...costLines(run),
    '',
    '## Errors',
    '',
    row(['protocol', 'operation', 'ok', 'failed', 'in doubt']),
  );
  lines.push(row(['---', '---', '---:', '---:', '---:']));
  for (const { name, operations } of run.protocols) {
    for (const [operation, { ok, fail, info }] of Object.entries(operations)) {
      lines.push(row([protocolStyle(name).title, operation, ...[ok, fail, info].map(showCount)]));
    }
  }
  const limits = limitLines(run);
  lines.push('', '## What limited this run', '');
  lines.push(
    ...(limits.length === 0 ? ['Nothing is known.'] : limits.map((line) => `- ${line}`)),
    '',
  );
  return lines.join('\n');
}

function costLines(run: Run): string[] {
  const rows = costRows(run);
  if (rows.length === 0) return [];
  return [
    ...['', '## Cost per commit', ''],
    row(['protocol', 'role', ...COST_COLUMNS]),
    row(['---', '---', ...COST_COLUMNS.map(() => '---:')]),
    ...rows.map(({ title, role, cells }) => row([title, role, ...cells])),
    ...['', costRemark(run)],
  ];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
