import type { NodeId } from '@quorate/consensus';
import type { LinkSettings } from './options.ts';

/** An arbitrary matrix of one-way links between nodes: each cut or not, each with its settings. */
export class LinkMatrix {
  private readonly defaults: LinkSettings;
  private readonly overrides = new Map<string, LinkSettings>();
  private readonly cuts = new Set<string>();
  private readonly listeners: ((from: NodeId, to: NodeId) => void)[] = [];

  constructor(defaults: LinkSettings) {
    this.defaults = defaults;
  }

  /** Cuts the way from one node to another; the way back is another link. */
  cut(from: NodeId, to: NodeId): void {
    this.cuts.add(key(from, to));
    this.changed(from, to);
  }

  /** Mends one way. */
  mend(from: NodeId, to: NodeId): void {
    if (this.cuts.delete(key(from, to))) this.changed(from, to);
  }

  /** True while nothing gets through from one node to the other. */
  isCut(from: NodeId, to: NodeId): boolean {
    return this.cuts.has(key(from, to));
  }

  /** Lays settings over one way; the others keep theirs. */
  override(from: NodeId, to: NodeId, settings: Partial<LinkSettings>): void {
    this.overrides.set(key(from, to), { ...this.settings(from, to), ...settings });
  }

  /** What one way does to messages. */
  settings(from: NodeId, to: NodeId): LinkSettings {
    return this.overrides.get(key(from, to)) ?? this.defaults;
  }

  /** What a link without an override does. */
  get usual(): LinkSettings {
    return this.defaults;
  }

  /** Mends everything and forgets all overrides. */
  heal(): void {
    this.overrides.clear();
    for (const cut of [...this.cuts]) {
      const [from, to] = cut.split('>').map(Number) as [NodeId, NodeId];
      this.mend(from, to);
    }
  }

  /** Calls back after each cut and each mending. */
  onChange(listener: (from: NodeId, to: NodeId) => void): void {
    this.listeners.push(listener);
  }

  private changed(from: NodeId, to: NodeId): void {
    for (const listener of this.listeners) listener(from, to);
  }
}

function key(from: NodeId, to: NodeId): string {
  return `${from}>${to}`;
}
