import type { Cell, Chart } from './chart.ts';
import { chartSvg, withPageColours } from './chart-render.ts';
import { COMPARISON_COLUMNS, comparisonRows, failoverRemark } from './comparison-table.ts';
import { COST_COLUMNS, costRemark, costRows, virtualTimeRemark } from './cost-table.ts';
import { escapeMarkup, showCount, showMs } from './figures.ts';
import { PAGE_STYLE } from './page-style.ts';
import { isViolated, type ReportInput } from './report-input.ts';
import type { Run, RunProtocol } from './run-schema.ts';
import {
  headline,
  limitLines,
  protocolTitle,
  VERDICT_SIGNS,
  type VerdictLine,
  verdictLines,
} from './verdict-lines.ts';

// A page that may load nothing: whatever slips in, it cannot ask the network for anything.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * The report as one page that needs no network, no script and no other file: verdicts first, then
 * the comparison, the charts with their data, the faults with their evidence, and the conditions.
 */
export async function renderPage(input: ReportInput, charts: readonly Chart[]): Promise<string> {
  const { run } = input;
  const title = `${run.scenario.name} · Quorate`;
  const figures: string[] = [];
  for (const chart of charts) figures.push(await chartSection(chart));
  return [
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<link rel="icon" href="data:,">',
    `<title>${escapeMarkup(title)}</title><style>${PAGE_STYLE}</style></head><body><main>`,
    headSection(run),
    verdictSection(run),
    violationSection(input),
    comparisonSection(run),
    costSection(run),
    ...figures,
    faultSection(run),
    limitSection(run),
    conditionSection(run),
    `<footer>${escapeMarkup(run.command.join(' '))}</footer>`,
    '</main></body></html>\n',
  ].join('\n');
}

function headSection(run: Run): string {
  const { labels, environment } = run;
  const facts = [
    `${labels.nodes} nodes`,
    `runtime ${labels.runtime}`,
    `transport ${labels.transport}`,
    `sync ${labels.sync}`,
    `reads ${labels.readLevel}`,
    environment.commit === null
      ? null
      : `commit ${environment.commit.slice(0, 10)}${environment.dirty ? ' (dirty)' : ''}`,
    run.startedAt.slice(0, 16).replace('T', ' '),
  ].filter((fact) => fact !== null);
  const stamps = [run.quick ? 'Quick run: not for comparison' : null, virtualTimeRemark(run)];
  const stamp = stamps
    .map((text) => (text === null ? '' : `<div class="stamp">${escapeMarkup(text)}</div>`))
    .join(' ');
  const name = escapeMarkup(run.scenario.name);
  const line = escapeMarkup(facts.join(' · '));
  const heading = `<div class="brand">Quorate</div><h1>${name}</h1>`;
  return `<header>${heading}<p class="facts">${line}</p>${stamp}</header>`;
}

function verdictSection(run: Run): string {
  const top = headline(run);
  const sign = (line: VerdictLine): string =>
    `<span class="sign" aria-hidden="true">${VERDICT_SIGNS[line.mark]}</span>`;
  const cards = run.protocols.map((protocol, place) => {
    const lines = verdictLines(protocol).map(
      (line) =>
        `<li class="${line.mark}">${sign(line)}<span>${escapeMarkup(line.text)}</span></li>`,
    );
    const heading = `<h3>${titleMarkup(protocol, place)}</h3>`;
    const list = `<ul>${lines.join('')}</ul>`;
    return `<section class="card"${own(protocol.name)}>${heading}${list}</section>`;
  });
  return (
    `<div class="headline ${top.mark}" role="status">${sign(top)}` +
    `<span>${escapeMarkup(top.text)}</span></div>` +
    `<div class="cards">${cards.join('')}</div>`
  );
}

function violationSection({ run, drawings }: ReportInput): string {
  const parts = run.protocols.filter(isViolated).map((protocol) => {
    const drawing = drawings.get(protocol.name);
    const file = protocol.verdicts.smallestFailingHistory;
    const where =
      file === null ? '' : `<p class="remark">The failing part: ${escapeMarkup(file)}</p>`;
    const examples = protocol.verdicts.lostExamples
      .slice(0, 10)
      .map((example) =>
        escapeMarkup(typeof example === 'string' ? example : JSON.stringify(example)),
      );
    const lost = examples.length === 0 ? '' : `<pre>${examples.join('\n')}</pre>`;
    const drawn = drawing === undefined ? '' : `<pre>${escapeMarkup(drawing)}</pre>`;
    return `<h2>Violation: ${escapeMarkup(protocolTitle(protocol))}</h2>${where}${drawn}${lost}`;
  });
  return parts.join('');
}

function comparisonSection(run: Run): string {
  const heads = COMPARISON_COLUMNS.map((head) => `<th scope="col">${head}</th>`).join('');
  const span = COMPARISON_COLUMNS.length;
  const rows = comparisonRows(run).map(({ name, cells, violation }, place) => {
    const protocol = run.protocols[place];
    // The variants stand in the cards above; here the figures need the room.
    const title = protocol === undefined ? '' : titleMarkup({ ...protocol, variants: {} }, place);
    const figures =
      cells === null
        ? `<td class="violation" colspan="${span}">${escapeMarkup(violation ?? '')}</td>`
        : cells
            .map((cell, i) => `<td data-head="${COMPARISON_COLUMNS[i]}">${escapeMarkup(cell)}</td>`)
            .join('');
    return `<tr><td${own(name)}>${title}</td>${figures}</tr>`;
  });
  return (
    '<section><h2>Comparison</h2>' +
    `<table class="stack"><thead><tr><th scope="col">protocol</th>${heads}</tr></thead>` +
    `<tbody>${rows.join('')}</tbody></table>` +
    `<p class="remark">${escapeMarkup(failoverRemark(run))}</p></section>`
  );
}

function costSection(run: Run): string {
  const rows = costRows(run).map(({ title, role, cells }) => [`${title} ${role}`, ...cells]);
  if (rows.length === 0) return '';
  const table = dataTable(['cost per commit', ...COST_COLUMNS], rows);
  const remark = escapeMarkup(costRemark(run));
  return `<section><h2>Cost per commit</h2>${table}<p class="remark">${remark}</p></section>`;
}

async function chartSection(chart: Chart): Promise<string> {
  const wide = withPageColours(await chartSvg(chart, 'wide'));
  const narrow = withPageColours(await chartSvg(chart, 'narrow'));
  const table = dataTable(chart.columns, chart.rows);
  const data =
    chart.rows.length === 0 ? '' : details(`Data of this chart (${chart.rows.length} rows)`, table);
  return (
    `<section id="${chart.id}"><h2>${escapeMarkup(chart.title)}</h2><figure>` +
    `<div class="wide">${wide}</div><div class="narrow">${narrow}</div>` +
    `<figcaption>${escapeMarkup(chart.caption)}</figcaption></figure>${data}</section>`
  );
}

function dataTable(
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  style = 'stack',
): string {
  const heads = columns.map((head) => `<th scope="col">${escapeMarkup(head)}</th>`).join('');
  const lines = rows.map((row) => {
    const cells = row.map((cell, i) => {
      const head = escapeMarkup(columns[i] ?? '');
      return `<td data-head="${head}">${escapeMarkup(cell === null ? '–' : String(cell))}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  const head = `<thead><tr>${heads}</tr></thead>`;
  return `<table class="${style}">${head}<tbody>${lines.join('')}</tbody></table>`;
}

function faultSection(run: Run): string {
  const rows = run.protocols.flatMap((protocol) =>
    protocol.faults.map((fault): Cell[] => {
      const failover = protocol.failovers.find(({ faultId }) => faultId === fault.id);
      const { install } = fault.evidence;
      const seen =
        install === null ? 'none' : `${install.method} at ${(install.atMs / 1_000).toFixed(2)} s`;
      const lasted = failover === undefined ? null : showMs(failover.unavailableMs);
      return [
        `${protocolTitle({ ...protocol, variants: {} })} ${fault.id}`,
        fault.kind,
        fault.role,
        fault.proven ? seen : `does not count: ${fault.excludedReason}`,
        failover?.censored === true ? `over ${lasted}` : lasted,
        failover?.newLeader === undefined || failover.newLeader === null
          ? null
          : `node ${failover.newLeader}`,
      ];
    }),
  );
  if (rows.length === 0) return '';
  const columns = ['fault', 'kind', 'met', 'evidence', 'without writes', 'new leader'];
  const table = dataTable(columns, rows, 'stack left');
  const folded = details(`All ${rows.length} faults with their evidence`, table);
  return `<section><h2>Faults</h2>${folded}</section>`;
}

function limitSection(run: Run): string {
  const lines = limitLines(run).map((line) => `<li>${escapeMarkup(line)}</li>`);
  const body =
    lines.length === 0
      ? '<p class="remark">Nothing is known to have limited this run.</p>'
      : `<ul class="limits">${lines.join('')}</ul>`;
  return `<section><h2>What limited this run</h2>${body}</section>`;
}

function conditionSection(run: Run): string {
  const { labels, environment, generator } = run;
  const { load, batching } = labels;
  const fsync = environment.fsyncLatencyUs;
  const steps =
    load.mode === 'open'
      ? `${join(load.ratePerSecond)} per second`
      : `${join(load.inFlight)} in flight`;
  const entries: [string, string][] = [
    ['load', `${load.mode} loop, ${steps}`],
    ['arrival', load.arrival ?? 'none'],
    [
      'mix',
      Object.entries(load.mix)
        .map(([name, weight]) => `${name} ${weight}`)
        .join(', '),
    ],
    ['keys', `${load.keys}, ${load.keyDistribution}`],
    ['value size', `${labels.payloadBytes} bytes`],
    [
      'batching',
      `${batching.maxEntries} entries, ${batching.maxBytes} bytes, ` +
        `${batching.maxInFlight} in flight`,
    ],
    [
      'heartbeat, election timeout',
      `${labels.heartbeatMs} ms, ${labels.electionTimeoutMs.join(' to ')} ms`,
    ],
    ['failure detector', labels.detector ?? 'timers'],
    ['client', `${labels.clientProtocol}, ${labels.clientPosition}, routing ${labels.routing}`],
    ['retries', labels.retryPolicy],
    ['generator', generator.healthy ? 'healthy' : 'not healthy'],
    [
      'fsync',
      fsync === null
        ? 'not measured'
        : `p50 ${showCount(fsync.p50)} us, p99 ${showCount(fsync.p99)} us`,
    ],
    ...modelEntries(run),
    ['file system', environment.filesystem ?? 'unknown'],
    ['machine', `${environment.cpuModel}, ${environment.cores} cores`],
    ['software', `Node ${environment.node}, ${environment.os} ${environment.kernel}`],
    ['seed', String(run.seed)],
  ];
  const list = entries.map(
    ([term, text]) => `<div><dt>${escapeMarkup(term)}</dt><dd>${escapeMarkup(text)}</dd></div>`,
  );
  return `<section><h2>Conditions</h2><dl>${list.join('')}</dl></section>`;
}

function modelEntries({ labels: { model } }: Run): [string, string][] {
  if (model === undefined) return [];
  const { linkDelayUs, timersLateMaxUs, diskReadUs, diskWriteUs, diskSyncUs } = model;
  const segments = `log segments of ${model.segmentBytes / 2 ** 20} MiB`;
  const disk = `disk read ${diskReadUs}, write ${diskWriteUs}, sync ${diskSyncUs} us`;
  const links = `links ${linkDelayUs.join(' to ')} us, timers up to ${timersLateMaxUs} us late`;
  return [['model', `${links}, ${disk}; ${segments}; work takes no time`]];
}

function join(value: number | readonly number[] | null | undefined): string {
  return Array.isArray(value) ? value.join(', ') : String(value ?? '–');
}

function details(summary: string, content: string): string {
  return `<details><summary>${summary}</summary>${content}</details>`;
}

function own(name: string): string {
  return ` style="--own:var(--protocol-${escapeMarkup(name)})"`;
}

function titleMarkup(protocol: RunProtocol, place: number): string {
  const [title = '', variants] = protocolTitle(protocol, place).split(' (');
  const shown =
    variants === undefined
      ? ''
      : ` <span class="variants">${escapeMarkup(variants.replace(/\)$/, ''))}</span>`;
  return `<span class="swatch"></span>${escapeMarkup(title)}${shown}`;
}
