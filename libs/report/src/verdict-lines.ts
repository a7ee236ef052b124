import { protocolStyle } from './chart-palette.ts';
import { showCount } from './figures.ts';
import type { Run, RunProtocol } from './run-schema.ts';
import { showSloValue } from './slo.ts';

/** How a line of a verdict ends: good, bad, or not known. */
export type VerdictMark = 'good' | 'bad' | 'open';

/** One line of a verdict. */
export interface VerdictLine {
  readonly mark: VerdictMark;
  readonly text: string;
}

/** The signs that stand before a line. */
export const VERDICT_SIGNS: { readonly [mark in VerdictMark]: string } = {
  good: '✓',
  bad: '✗',
  open: '?',
};

/** The one sentence on top of a report. */
export function headline(run: Run): VerdictLine {
  const violated = run.protocols.some(
    ({ verdicts }) => verdicts.linearizable === false || (verdicts.ackedLost ?? 0) > 0,
  );
  if (violated) return { mark: 'bad', text: 'A correctness violation was found' };
  if (run.status === 'interrupted') return { mark: 'open', text: 'The run was interrupted' };
  if (run.status === 'void') return { mark: 'open', text: 'The run is void' };
  const slos = run.protocols.flatMap(({ verdicts }) => verdicts.slo);
  const fell = slos.filter(({ result }) => result === 'fellShort').length;
  if (run.exitCode === 0) return { mark: 'good', text: `All ${slos.length} objectives hold` };
  if (run.exitCode === 1)
    return { mark: 'bad', text: `${fell} of ${slos.length} objectives fell short` };
  return { mark: 'open', text: 'Not everything could be decided' };
}

/** The lines of one protocol: correctness first, then each objective. */
export function verdictLines({ verdicts }: RunProtocol): VerdictLine[] {
  const { linearizable, linearizableReason, checkedOperations, ackedLost, ackedWrites } = verdicts;
  const reason = linearizableReason === null ? '' : `: ${linearizableReason}`;
  const history: VerdictLine =
    linearizable === true
      ? { mark: 'good', text: `linearizable, ${showCount(checkedOperations)} operations checked` }
      : linearizable === false
        ? { mark: 'bad', text: `not linearizable${reason}` }
        : { mark: 'open', text: `linearizability unknown${reason}` };
  const writes = showCount(ackedWrites);
  const lost: VerdictLine =
    ackedLost === null
      ? { mark: 'open', text: 'lost writes not checked' }
      : ackedLost === 0
        ? { mark: 'good', text: `none of ${writes} acknowledged writes lost` }
        : { mark: 'bad', text: `${showCount(ackedLost)} of ${writes} acknowledged writes lost` };
  return [history, lost, ...verdicts.slo.filter(({ metric }) => !DOUBLED.has(metric)).map(sloLine)];
}

// These objectives say what the first two lines say already.
const DOUBLED = new Set(['linearizable', 'acked_lost']);

function sloLine(slo: RunProtocol['verdicts']['slo'][number]): VerdictLine {
  const name = slo.metric.replace(/\.(p\d+(\.\d+)?|max|min|median|mean)$/, '');
  const measured = showSloValue(name, slo.value);
  if (slo.result === 'holds') return { mark: 'good', text: `${slo.expression} (${measured})` };
  if (slo.result === 'fellShort') {
    return { mark: 'bad', text: `${slo.expression} fell short: measured ${measured}` };
  }
  const samples = `${slo.samples} of ${slo.neededSamples} needed samples`;
  return { mark: 'open', text: `${slo.expression} undecided: ${measured}, ${samples}` };
}

/** The name of a protocol with its variants: `raft (preVote, checkQuorum)`. */
export function protocolTitle({ name, variants }: RunProtocol, place = 0): string {
  const shown = Object.entries(variants)
    .filter(([, value]) => value !== false)
    .map(([variant, value]) => (value === true ? variant : `${variant} ${value}`));
  const { title } = protocolStyle(name, place);
  return shown.length === 0 ? title : `${title} (${shown.join(', ')})`;
}

/** What held the run back, a sentence each; empty when nothing did. */
export function limitLines(run: Run): string[] {
  const { generator, protocols } = run;
  const lines = generator.voidReasons.map((reason) => `Void: ${reason}`);
  if (!generator.healthy) lines.push('The load generator was not healthy.');
  const { missedStarts, missedStartsShare } = generator;
  if (missedStarts !== null && missedStarts > 0) {
    const share = `${((missedStartsShare ?? 0) * 100).toFixed(2)} %`;
    lines.push(`The generator missed ${showCount(missedStarts)} starts (${share}).`);
  }
  if (generator.voidBlocksRepeated > 0) {
    lines.push(`${generator.voidBlocksRepeated} void blocks were repeated.`);
  }
  for (const { name, points, faults } of protocols) {
    const limits = new Set(
      points.flatMap(({ limitedBy }) => (limitedBy === null ? [] : [limitedBy])),
    );
    const { title } = protocolStyle(name);
    for (const limit of limits) lines.push(`${title}: some load steps were limited by ${limit}.`);
    const excluded = faults.filter(({ proven }) => !proven);
    if (excluded.length > 0) {
      const reasons = [...new Set(excluded.map(({ excludedReason }) => excludedReason))].join('; ');
      lines.push(`${title}: ${excluded.length} faults do not count (${reasons}).`);
    }
  }
  return lines;
}
