import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { failoverRemark } from './comparison-table.ts';
import { fixtureReport } from './fixture-run.ts';
import { reportCharts, reportFiles, writeReport } from './folder.ts';
import { LatencyHistogram } from './histogram.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPage } from './page.ts';
import { type Run, runJsonSchemaText } from './run-schema.ts';
import { seriesToCsv } from './series.ts';
import { parseRun, validateRun } from './validate.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder as the bench writes it, of test data. */
function fixtureFolder(change: (run: Run) => void = () => {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-report-'));
  folders.push(folder);
  const { run, series } = fixtureReport();
  const { report, markdown, junit, charts } = reportFiles();
  const histogram = LatencyHistogram.create();
  for (let i = 1; i <= 500; i++) histogram.recordMicros(i * 10);
  const hlog = histogram.toHlog('raft-write', 0, 1_000);
  histogram.destroy();
  const write = run.protocols[0]?.latencyMs.write;
  if (write !== undefined) write.hlog = 'histograms/raft-write.hlog';
  const files = { report, markdown, junit, series: 'series.csv', charts: [...charts] };
  run.files = { ...files, hlogs: ['histograms/raft-write.hlog'] };
  change(run);
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  put('run.json', JSON.stringify(run));
  put('series.csv', seriesToCsv(series));
  put('histograms/raft-write.hlog', hlog);
  for (const { name } of run.protocols) put(`histories/${name}-0.ndjson.gz`, '');
  return folder;
}

describe('run.json', () => {
  it('accepts a run and names the path of what is wrong', () => {
    const { run } = fixtureReport();
    expect(parseRun(JSON.parse(JSON.stringify(run)))).toMatchObject({ problems: [] });
    const bad = { ...run, seed: undefined, exitCode: 'no', labels: { ...run.labels, nodez: 3 } };
    const { problems } = parseRun(bad);
    expect(problems.join('\n')).toMatch(/exitCode: .*number/);
    expect(problems.join('\n')).toMatch(/labels: .*nodez/);
    expect(problems.join('\n')).toMatch(/seed: /);
  });

  it('shows costs beside what the papers let them be, and labels virtual time', () => {
    const { run, ...rest } = fixtureReport();
    const real = renderMarkdown({ run, ...rest });
    expect(real).toContain('| raft | leader | 1.63 | 1.00 to 2.00 | 313 | 0.500 | 0.500 | 41.5 |');
    expect(real).toContain('| raft | follower | 0.500 | 0.500 | 12.0 | 0.438 | 0.500 | 41.5 |');
    expect(real).not.toContain('Virtual time');
    const delays = { timersLateMaxUs: 100, diskReadUs: 50, diskWriteUs: 20, diskSyncUs: 500 };
    const segmentBytes = 2 ** 24;
    const model = { linkDelayUs: [100, 200] as [number, number], segmentBytes, ...delays };
    const simulated = { ...run, labels: { ...run.labels, model } };
    expect(parseRun(JSON.parse(JSON.stringify(simulated)))).toMatchObject({ problems: [] });
    const text = renderMarkdown({ run: simulated, ...rest });
    expect(text).toMatch(
      /\*Virtual time: counts are exact; .*links 100 to 200 us, .*not of a machine/,
    );
  });

  it('is described by the published JSON Schema', () => {
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    const published = readFileSync(join(root, 'docs/reference/run.schema.json'), 'utf8');
    expect(published).toBe(runJsonSchemaText());
  });

  it('is checked together with its folder', async () => {
    const folder = fixtureFolder();
    expect(validateRun(folder).problems[0]).toBe('files.report: the folder has no report.html');
    await writeReport(folder);
    expect(validateRun(folder).problems).toEqual([]);
    const bad = fixtureFolder((run) => {
      run.exitCode = 3;
      const raft = run.protocols[0];
      const failover = raft?.failovers[1];
      if (raft !== undefined && failover !== undefined) {
        failover.phasesMs.repaired = 1;
        raft.failovers[0] = { ...failover, faultId: 'gone' };
        raft.faults[2] = { ...raft.faults[2]!, proven: false };
      }
    });
    const found = validateRun(bad).problems.join('\n');
    expect(found).toContain('protocols[0].failovers[1].phasesMs.repaired: 1 is before');
    expect(found).toContain('protocols[0].failovers[0].faultId: there is no fault "gone"');
    expect(found).toContain('protocols[0].faults[2].excludedReason: missing');
    expect(found).toContain('verdict.exit: 0, but exitCode is 3');
    expect(validateRun(join(bad, 'nowhere')).problems).toEqual(['run.json: there is no run.json']);
  }, 60_000);
});

describe('the page', () => {
  it('holds five named charts with their data and asks for nothing', async () => {
    const input = fixtureReport();
    const page = await renderPage(input, reportCharts(input));
    expect(page.match(/<figure>/g)).toHaveLength(5);
    const names = [
      ...page.matchAll(/<svg role="img" aria-labelledby="([^"]+)" aria-describedby="([^"]+)"/g),
    ];
    expect(names).toHaveLength(10); // Each for wide and for narrow pages.
    for (const [, title, description] of names) {
      expect(page).toMatch(new RegExp(`<title id="${title}">[^<]{10,}</title>`));
      expect(page).toMatch(new RegExp(`<desc id="${description}">[^<]{30,}</desc>`));
    }
    const links = page.replaceAll('http://www.w3.org/2000/svg', '');
    expect(links).not.toMatch(/https?:|<script|<link(?! rel="icon" href="data:,")|@import|url\(/);
    expect(page.match(/<summary>Data of this chart/g)).toHaveLength(5);
    expect(page).toContain('Failover: n = 5, not for comparison.');
    expect(page.indexOf('class="headline')).toBeLessThan(page.indexOf('Comparison'));
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  }, 60_000);

  it('puts a violation in the place of the numbers', async () => {
    const input = fixtureReport({ violated: 'zab', trials: 2 });
    const page = await renderPage(input, []);
    expect(page).toContain('A correctness violation was found');
    expect(page).toContain('No figures: not linearizable');
    expect(page).toContain('read -&gt; &quot;w12&quot;');
    for (const chart of reportCharts(input)) {
      expect(chart.rows.map(([protocol]) => protocol)).not.toContain('zab');
    }
    expect(input.run.exitCode).toBe(3);
    const markdown = renderMarkdown(input);
    expect(markdown).toContain('✗ not linearizable: key "k7": a stale read');
    expect(markdown).toContain('| zab | No figures: not linearizable |');
  });

  it('says why a chart is empty and escapes what it prints', async () => {
    const { run } = fixtureReport();
    const bare = { ...run, scenario: { ...run.scenario, name: '<b>&"' }, protocols: [] };
    const input = { run: bare, series: [], curves: [], drawings: new Map<string, string>() };
    const charts = reportCharts(input);
    expect(charts.every(({ emptyReason, wide }) => emptyReason !== null && wide === null)).toBe(
      true,
    );
    const page = await renderPage(input, charts);
    expect(page).toContain('This run has no proven faults.');
    expect(page).not.toContain('<b>');
    expect(failoverRemark(bare)).toBe('This run has no faults.');
  });
});

describe('junit.xml', () => {
  it('has a case for each verdict; bad fails, undecided is an error', () => {
    const { run } = fixtureReport({ violated: 'raft' });
    const multiPaxos = run.protocols[1];
    if (multiPaxos !== undefined) multiPaxos.verdicts.linearizable = null;
    const xml = renderJunit(run);
    expect(xml).toContain('<testsuite name="raft" tests="3" failures="1" errors="0"');
    expect(xml).toContain(
      '<failure message="not linearizable: key &quot;k7&quot;: a stale read"/>',
    );
    expect(xml).toContain('<testsuite name="multi-paxos" tests="3" failures="0" errors="1"');
    expect(xml).toContain('name="errors.rate &lt; 1%"');
  });
});
