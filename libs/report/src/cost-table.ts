import { significant } from './figures.ts';
import { soundProtocols } from './report-input.ts';
import type { Run, RunProtocol } from './run-schema.ts';
import { protocolTitle } from './verdict-lines.ts';

/** What a committed command costs one replica of a role, as cells of {@link COST_COLUMNS}. */
export interface CostRow {
  readonly name: string;
  readonly title: string;
  readonly role: 'leader' | 'follower';
  readonly cells: readonly string[];
}

/** The heads of the columns after the protocol and the role. */
export const COST_COLUMNS: readonly string[] = [
  'messages sent',
  'by the papers',
  'bytes sent',
  'fsyncs',
  'by the papers',
  'CPU us',
];

/** The costs per commit of each protocol that has them, the leader's first. */
export function costRows(run: Run): CostRow[] {
  return soundProtocols(run).flatMap((protocol) => {
    const roles = ['leader', 'follower'] as const;
    return roles.flatMap((role) => {
      const cells = cellsOf(protocol, role);
      const title = protocolTitle({ ...protocol, variants: {} });
      return cells === null ? [] : [{ name: protocol.name, title, role, cells }];
    });
  });
}

/** The remark under the costs: what they count, and what the papers' figures stand for. */
export function costRemark(run: Run): string {
  const perEntry = soundProtocols(run).flatMap((protocol) => {
    const commands = protocol.cost?.commandsPerEntry;
    if (commands === null || commands === undefined) return [];
    return [`${protocolTitle({ ...protocol, variants: {} })} ${significant(commands)}`];
  });
  const entries = perEntry.length === 0 ? '' : ` Commands per log entry: ${perEntry.join(', ')}.`;
  return (
    'Per committed command, for one replica of a role; heartbeats, reads and retries are counted ' +
    'in. By the papers: a proposal to each follower, and a notice of the commit that may ride on ' +
    'the next one; one answer; one fsync, which several entries may share. Divided by the ' +
    `commands that an entry carried.${entries}`
  );
}

/** What the times of a simulated run are, in one sentence; null for a run on a machine. */
export function virtualTimeRemark({ labels }: Run): string | null {
  const { model } = labels;
  if (model === undefined) return null;
  const [least, most] = model.linkDelayUs;
  return (
    'Virtual time: counts are exact; latencies and rates are those of the model’s delays ' +
    `(links ${least} to ${most} us, fsync ${model.diskSyncUs} us, no CPU), not of a machine.`
  );
}

function cellsOf({ cost }: RunProtocol, role: 'leader' | 'follower'): string[] | null {
  const figures = cost?.[role] ?? null;
  if (figures === null) return null;
  const expected = cost?.expected?.[role] ?? undefined;
  const show = (value: number | null | undefined): string =>
    value === null || value === undefined ? '–' : significant(value);
  const range = (values: readonly [number, number] | undefined): string => {
    if (values === undefined) return '–';
    const [least, most] = values.map(show);
    return least === most ? `${least}` : `${least} to ${most}`;
  };
  return [
    show(figures.messagesPerCommit),
    range(expected?.messagesPerCommit),
    show(figures.bytesPerCommit),
    show(figures.fsyncsPerCommit),
    show(expected?.fsyncsPerCommitMax),
    show(figures.cpuUsPerCommit),
  ];
}
