import Table from 'cli-table3';
import pc from 'picocolors';
import type { Durations, SetResult, StatementResult, StoryResult } from './story-result.ts';

const TABLE_LINES = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const SETS_SHOWN_MAX = 6;

/** One line on a finished set, for progress. */
export function setLine(set: SetResult): string {
  const { name, trials, excluded } = set;
  const left = excluded === 0 ? '' : `, ${excluded} excluded`;
  return `${name}: ${trials} trials${left}: ${outcomesText(set)}, leader changes ${range(set)}`;
}

/** What a story came to, for people: violations, statements, what was published, the table. */
export function storyText(result: StoryResult, withColours: boolean): string {
  const colours = pc.createColors(withColours);
  const lines = [''];
  for (const violation of result.violations) lines.push(colours.red(`✗ violation: ${violation}`));
  for (const [holds, group] of grouped(result.statements)) {
    const sign =
      holds === null ? colours.yellow('?') : holds ? colours.green('✓') : colours.red('✗');
    lines.push(`${sign} ${statementLine(group, holds)}`);
  }
  for (const { says, source, comparison, measured, differs } of result.published) {
    const values = measured.length === 0 ? '' : ` (${measured.join(', ')})`;
    const why = comparison === 'deviation' && differs !== null ? `: ${differs}` : '';
    lines.push(`  ${comparison}: ${source}: ${says}${values}${why}`);
  }
  lines.push('', tableOf(result.sets), '');
  return lines.join('\n');
}

/** Statements of one expression and result in one line, whatever the number of sets. */
function grouped(
  statements: readonly StatementResult[],
): (readonly [holds: boolean | null, group: readonly StatementResult[]])[] {
  const groups = new Map<string, StatementResult[]>();
  for (const one of statements) {
    // A broken statement has a line for each set, with what was measured there.
    const key = `${one.expression} ${one.holds} ${one.holds === true ? '' : one.set}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group) => [group[0]?.holds ?? null, group] as const);
}

function statementLine(group: readonly StatementResult[], holds: boolean | null): string {
  const [first] = group;
  const word = holds === null ? 'undecided' : holds ? 'holds' : 'broken';
  const sets = group.map(({ set }) => set);
  const where = sets.length > SETS_SHOWN_MAX ? `${sets.length} sets` : sets.join(', ');
  const values = [...new Set(group.map(({ measured }) => measured))];
  const value = values.length === 1 ? ` measured ${values[0]}` : ' measured as stated';
  return `${word}: ${first?.expression} for ${where}:${value}. ${first?.because}`;
}

function tableOf(sets: readonly SetResult[]): string {
  const elected = sets.some(({ electionMs }) => electionMs !== null);
  const head = ['', 'outcome', 'leader changes', 'rounds', 'down ms p50', 'max'];
  const more = elected ? ['election ms p50', 'mean', 'p95', 'max'] : [];
  const table = new Table({
    head: [...head, ...more],
    style: { head: [], border: [] },
    chars: TABLE_LINES,
  });
  for (const set of sets) {
    const { name, rounds, downtimeMs, electionMs } = set;
    const down = [milliseconds(downtimeMs, 'median'), milliseconds(downtimeMs, 'max')];
    const election = (['median', 'mean', 'p95', 'max'] as const).map((statistic) =>
      electionMs === null ? '' : milliseconds(electionMs, statistic),
    );
    const row = [name, outcomesText(set), range(set), rounds.join('-'), ...down];
    table.push(elected ? [...row, ...election] : row);
  }
  return table.toString();
}

/** `recovers`, or the outcomes with their counts where trials differ. */
export function outcomesText({ outcomes, trials }: SetResult): string {
  const found = Object.entries(outcomes).filter(([, count]) => count > 0);
  if (found.length === 0) return 'not measured';
  const [only] = found;
  if (found.length === 1 && only?.[1] === trials) return only[0];
  return found.map(([outcome, count]) => `${outcome} ${count}`).join(', ');
}

/** Leader changes from-to: one number where all trials agree. */
export function range({ leaderChanges: [from, to] }: Pick<SetResult, 'leaderChanges'>): string {
  return from === to ? `${from}` : `${from}-${to}`;
}

function milliseconds(durations: Durations, statistic: keyof Durations): string {
  const value = durations[statistic];
  return value === null ? 'never' : value.toFixed(0);
}
