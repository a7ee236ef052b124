/**
 * A running hash of everything that happened and the last events for people. Two runs of one seed
 * and build must end with equal hashes; keeping more or fewer events does not change the hash.
 */
export class Trace {
  private high = 0x811c9dc5;
  private low = 0x9747b28c;
  private readonly lines: (() => string)[] = [];
  private next = 0;
  private readonly eventsMax: number;

  constructor(eventsMax: number) {
    this.eventsMax = eventsMax;
  }

  /** Folds a number into the hash. */
  number(value: number): void {
    this.mix(value | 0);
    this.mix(Math.floor(value / 0x1_0000_0000) | 0);
  }

  /** Folds a text into the hash. */
  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.mix(value.charCodeAt(i));
    this.mix(value.length);
  }

  /** Notes an event for people; the text is built only when somebody reads it. */
  line(build: () => string): void {
    if (this.eventsMax === 0) return;
    this.lines[this.next % this.eventsMax] = build;
    this.next++;
  }

  /** The last events, oldest first. */
  tail(): string[] {
    const count = Math.min(this.next, this.eventsMax);
    const tail: string[] = [];
    for (let i = this.next - count; i < this.next; i++) {
      tail.push(this.lines[i % this.eventsMax]?.() ?? '');
    }
    return tail;
  }

  /** The hash so far, 16 hexadecimal digits. */
  hash(): string {
    return hex(this.high) + hex(this.low);
  }

  private mix(value: number): void {
    this.high = Math.imul(this.high ^ value, 0x01000193);
    const turned = (this.low << 5) | (this.low >>> 27);
    this.low = (Math.imul(turned ^ value, 0x2c1b3c6d) + 0x9e3779b9) | 0;
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
