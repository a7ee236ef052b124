import { PROBES } from '@quorate/simulator';
import Table from 'cli-table3';
import pc from 'picocolors';
import { replayCommand } from './simulate-plan.ts';
import {
  type CampaignTotals,
  FIGURES,
  type RunFigures,
  SEEDS_FOR_PROBES,
  STANDARD_SEED,
} from './simulate-totals.ts';
import type { SeedOutcome, SeedTask } from './simulate-worker.ts';

/** Lines between rows would make the table twice as long and no clearer. */
const TABLE_LINES = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const HEADS: Readonly<Record<keyof RunFigures, string>> = {
  simulatedSeconds: 'simulated s',
  operations: 'operations',
  faultKinds: 'fault kinds',
  elections: 'elections',
  commits: 'commits',
};
const COLUMN_GAP = '   ';
/** Where nothing says how wide the output is. */
const USUAL_COLUMNS = 100;

/** Where a summary is shown. */
export interface SummaryLook {
  readonly colours: boolean;
  readonly columns: number;
}

/** How stdout looks: colours and width of a terminal, plain lines of usual width elsewhere. */
export function lookOfOutput(): SummaryLook {
  const { isTTY, columns } = process.stdout;
  return { colours: isTTY === true && !process.env.NO_COLOR, columns: columns || USUAL_COLUMNS };
}

/** The summary for people: medians and minima, the probes, the figures, the hashes. */
export function summaryText(totals: CampaignTotals, look: SummaryLook): string {
  const { green, red, dim } = pc.createColors(look.colours);
  const { runs: total, failed, standardSeeds, hash, hashAgain, probesMissed } = totals;
  const { simulatedSeconds, operations, faultKinds, elections } = STANDARD_SEED;
  const number = (value: number): string => value.toLocaleString('en-US');
  const runs = (count: number): string => `${number(count)} ${count === 1 ? 'run' : 'runs'}`;
  const verdict = failed === 0 ? green('no invariant was broken') : red(`${runs(failed)} FAILED`);
  const lines = [
    tableOf(totals),
    dim('median / minimum of a run'),
    `standard seeds (${simulatedSeconds} s, ${operations} operations, ${faultKinds} fault kinds, ` +
      `${elections} election): ${number(standardSeeds)} of ${number(total)}`,
    '',
    // One run hits what it hits; a list of all that it does not would hide its failure.
    ...(total === 1 ? [] : probeLines(totals, look)),
    `${runs(total)}, ${verdict}: ${number(totals.events)} events, ` +
      `${totals.simulatedHours} simulated hours`,
    `${number(totals.framesDelivered)} messages between replicas in ` +
      `${number(totals.realSeconds)} s: ${totals.runsPerSecond} runs/s, ` +
      `${number(totals.framesPerCoreSecond)} messages/s of one core`,
    `hash of the campaign  ${hash}`,
  ];
  const { outsideContract } = totals;
  if (outsideContract > 0) {
    lines.push(
      `outside the contract: a disk lost what it had called durable in ${outsideContract}`,
    );
  }
  if (hashAgain !== null) {
    const equal = hashAgain === hash ? green('equal') : red('DIFFERENT');
    lines.push(`hash of second runs   ${hashAgain}  (${equal})`);
  }
  if (probesMissed.length > 0) {
    lines.push(red(`probes without a hit, so the campaign fails: ${probesMissed.join(', ')}`));
  }
  return `${lines.join('\n')}\n`;
}

/** A failed seed: the invariant, the last events and the one command that replays it. */
export function failureText(outcome: SeedOutcome, task: SeedTask): string {
  const { failure, protocol, seed } = outcome;
  if (failure === null) return '';
  const { twice, ...once } = task;
  // Only a second run shows that two runs differ; a broken invariant shows in the first.
  const replay = replayCommand(twice && failure.invariant === 'C12' ? task : once);
  const events = failure.lastEvents.map((line) => `  ${line}`);
  return [
    '',
    `FAILED ${protocol} seed ${seed}: invariant ${failure.invariant} is broken`,
    `  ${failure.message.replaceAll('\n', '\n  ')}`,
    ...(events.length === 0 ? [] : ['last events (microsecond, node, event):', ...events]),
    `replay: ${replay}`,
    `shrink: ${replay} --shrink`,
    '',
  ].join('\n');
}

function tableOf({ perProtocol }: CampaignTotals): string {
  const head = ['protocol', 'runs', 'failed', ...FIGURES.map((key) => HEADS[key])];
  const table = new Table({ head, chars: TABLE_LINES, style: { head: [], border: [] } });
  for (const [name, { runs, failed, median, minimum }] of Object.entries(perProtocol)) {
    table.push([name, runs, failed, ...FIGURES.map((key) => `${median[key]} / ${minimum[key]}`)]);
  }
  return table.toString();
}

function judgement({ probesNotJudged }: CampaignTotals): string {
  if (probesNotJudged === null) return ` (from ${SEEDS_FOR_PROBES} seeds a protocol on, all must)`;
  return ` (not judged: ${probesNotJudged})`;
}

/** All probes in columns, read downwards; one that was never hit is marked. */
function probeLines(totals: CampaignTotals, look: SummaryLook): string[] {
  const { probes, probesNotJudged } = totals;
  const { red, dim } = pc.createColors(look.colours);
  const paint = probesNotJudged === null ? red : dim;
  const nameWidth = Math.max(...PROBES.map((probe) => probe.length));
  const countWidth = Math.max(...PROBES.map((probe) => cellOf(probes[probe]).length));
  const cellWidth = nameWidth + 1 + countWidth + COLUMN_GAP.length;
  const columns = Math.max(1, Math.floor((look.columns - 2 + COLUMN_GAP.length) / cellWidth));
  const height = Math.ceil(PROBES.length / columns);
  const cells = PROBES.map((probe) => {
    const text = `${probe.padEnd(nameWidth)} ${cellOf(probes[probe]).padStart(countWidth)}`;
    return probes[probe] === 0 ? paint(text) : text;
  });
  const rows = Array.from({ length: height }, (_, row) => {
    return `  ${cells.filter((_cell, i) => i % height === row).join(COLUMN_GAP)}`;
  });
  return [`coverage probes, with their hits${judgement(totals)}`, ...rows, ''];
}

function cellOf(hits: number): string {
  return hits === 0 ? '0 !' : hits.toLocaleString('en-US');
}
