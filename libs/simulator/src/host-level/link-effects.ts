import type { NodeId } from '@quorate/consensus';
import type { LinkMatrix } from '../link-matrix.ts';

/** What one fault does to one direction of a link. */
export interface LinkEffect {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly cut?: boolean;
  /** Added to the delay of each piece: half of it to all of it when there is no `jitterMicros`. */
  readonly delayMicros?: number;
  /** With it a piece is delayed by `delayMicros`, and by up to this much more. */
  readonly jitterMicros?: number;
  readonly loss?: number;
  /** The next two concern datagrams only: a stream neither repeats nor reorders. */
  readonly duplication?: number;
  readonly reordering?: number;
}

/**
 * The faults of links in force. They overlap: a link is cut while any of them cuts it, and its
 * delay and rates are the largest of all. So each ends by itself, whatever else goes on.
 */
export class LinkEffects {
  private readonly links: LinkMatrix;
  private readonly active = new Set<LinkEffect>();
  private readonly onInstall: (effects: readonly LinkEffect[]) => void;

  constructor(links: LinkMatrix, onInstall: (effects: readonly LinkEffect[]) => void = () => {}) {
    this.links = links;
    this.onInstall = onInstall;
  }

  /** Puts effects in force; returns how to end them. */
  install(effects: readonly LinkEffect[]): () => void {
    for (const effect of effects) this.active.add(effect);
    this.refresh(effects);
    this.onInstall(effects);
    return () => {
      for (const effect of effects) this.active.delete(effect);
      this.refresh(effects);
    };
  }

  private refresh(changed: readonly LinkEffect[]): void {
    const seen = new Set<string>();
    for (const { from, to } of changed) {
      const key = `${from}>${to}`;
      if (seen.has(key)) continue;
      seen.add(key);
      this.apply(from, to);
    }
  }

  private apply(from: NodeId, to: NodeId): void {
    const { links } = this;
    let cut = false;
    let leastMicros = 0;
    let mostMicros = 0;
    let { loss, duplication, reordering } = links.usual;
    for (const effect of this.active) {
      if (effect.from !== from || effect.to !== to) continue;
      cut ||= effect.cut ?? false;
      const { delayMicros = 0, jitterMicros } = effect;
      const least = jitterMicros === undefined ? Math.floor(delayMicros / 2) : delayMicros;
      leastMicros = Math.max(leastMicros, least);
      mostMicros = Math.max(mostMicros, delayMicros + (jitterMicros ?? 0));
      loss = Math.max(loss, effect.loss ?? 0);
      duplication = Math.max(duplication, effect.duplication ?? 0);
      reordering = Math.max(reordering, effect.reordering ?? 0);
    }
    const { delayMinMicros, delayMaxMicros } = links.usual;
    links.override(from, to, {
      delayMinMicros: delayMinMicros + leastMicros,
      delayMaxMicros: delayMaxMicros + mostMicros,
      ...{ loss, duplication, reordering },
    });
    if (cut && !links.isCut(from, to)) links.cut(from, to);
    if (!cut) links.mend(from, to);
  }
}

/** Effects in words: `cut 1>2, 2>1; up to 120 ms later 1>3`. */
export function describeEffects(
  effects: readonly LinkEffect[],
  name: (id: number) => string,
): string {
  const groups = new Map<string, string[]>();
  for (const { from, to, cut, delayMicros = 0, jitterMicros = 0, loss = 0 } of effects) {
    const latest = Math.ceil((delayMicros + jitterMicros) / 1000);
    const what = [
      ...(cut ? ['cut'] : []),
      ...(latest === 0 ? [] : [`up to ${latest} ms later`]),
      ...(loss === 0 ? [] : [`${Math.round(100 * loss)} % lost`]),
    ].join(', ');
    if (what === '') continue;
    groups.set(what, [...(groups.get(what) ?? []), `${name(from)}>${name(to)}`]);
  }
  return [...groups].map(([what, links]) => `${what} ${links.join(', ')}`).join('; ');
}
