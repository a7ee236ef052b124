/** A message or a notice on its way between two replicas. */
export interface Packet {
  readonly from: number;
  readonly to: number;
  /** `m` and the message's bytes, or `-`: the session with `from` has ended. */
  readonly content: string;
}

/** Gives equal packets equal small numbers, so that a network's state is a list of numbers. */
export class PacketTable {
  private readonly packets: Packet[] = [];
  private readonly numbers = new Map<string, number>();

  /** The packet's number. */
  number(packet: Packet): number {
    const key = `${packet.from}>${packet.to}${packet.content}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.packets.push(packet);
    this.numbers.set(key, this.packets.length - 1);
    return this.packets.length - 1;
  }

  /** The packet of a number that was given out. */
  packet(number: number): Packet {
    const packet = this.packets[number];
    if (packet === undefined) throw new RangeError(`no packet has number ${number}`);
    return packet;
  }
}
