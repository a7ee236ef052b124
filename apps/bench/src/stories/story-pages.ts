import { required } from '@quorate/foundation';
import type { RecordedStory, ResultsFile } from './results-file.ts';
import { outcomesText, range } from './story-lines.ts';
import type { Durations, SetResult } from './story-result.ts';

const BEGIN = '<!-- generated: begin -->';
const END = '<!-- generated: end -->';

/** The page with its generated part, between the two marks, replaced. */
export function withGenerated(page: string, generated: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new RangeError('the page has no place for what is generated');
  return `${page.slice(0, from)}${BEGIN}\n\n${generated.trim()}\n\n${page.slice(to)}`;
}

/** Engine by variant against stories, and what was published about each story. */
export function connectivityTables({ stories }: ResultsFile): string {
  const sets = (stories[0]?.sets ?? []).map(({ name }) => name);
  const shorts = stories.map(({ name }) => shortName(name));
  const rows = sets.map((set) => {
    const cells = stories.map((story) => cell(required(setOf(story, set), `${set} is recorded`)));
    return [shownSet(set), ...cells];
  });
  const legend = stories.map(
    ({ name, description, nodes }) => `* **${shortName(name)}** ${description} (${nodes} nodes).`,
  );
  return [
    markdownTable(['', ...shorts], rows),
    legend.join('\n'),
    '### Beside the literature',
    published(stories),
  ].join('\n\n');
}

/** Election times by set and timing, and what was published about them. */
export function electionTables({ stories }: ResultsFile): string {
  const rows = stories.flatMap(({ sets }) =>
    sets.map((set) => {
      const election = set.electionMs;
      const stuck = set.outcomes.stuck;
      const part = (statistic: keyof Durations): string =>
        election === null ? 'never' : milliseconds(election[statistic]);
      return [
        ...[set.name.replace(` ${set.timing}`, ''), set.timing ?? ''],
        ...[String(set.trials), part('median'), part('mean'), part('p95'), part('max')],
        String(stuck),
      ];
    }),
  );
  const head = ['', 'timeout ms', 'trials', 'median', 'mean', 'p95', 'max', 'none within 10 s'];
  return [markdownTable(head, rows), '### Beside the literature', published(stories)].join('\n\n');
}

function setOf(story: RecordedStory, name: string): SetResult | undefined {
  return story.sets.find((set) => set.name === name);
}

/** `p8-deaf-leader` is P8 deaf leader. */
function shortName(name: string): string {
  const [id = '', ...words] = name.split('-');
  return `${id.toUpperCase()} ${words.join(' ')}`;
}

function shownSet(name: string): string {
  return name.replace(/finalizeWaitMicros=(\d+)000$/, 'finalizeWait $1 ms');
}

function cell(set: SetResult): string {
  const outcome = outcomesText(set);
  return outcome.startsWith('recovers') || outcome.startsWith('stuck')
    ? `${outcome} ${range(set)}`
    : `**${outcome}** ${range(set)}`;
}

function milliseconds(value: number | null): string {
  return value === null ? 'never' : value.toFixed(0);
}

function published(stories: readonly RecordedStory[]): string {
  const rows = stories.flatMap((story) =>
    story.published.map(({ says, source, comparison, measured, differs }) => [
      shortName(story.name),
      `${says} (${source})`,
      comparison,
      comparison === 'not comparable' ? '' : measured.join('; '),
      comparison === 'deviation' ? (differs ?? '') : '',
    ]),
  );
  return markdownTable(['', 'published', 'ours', 'measured', 'why ours differs'], rows);
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
