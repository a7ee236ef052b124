import { describe, expect, it } from 'vitest';
import { ControlLink } from './control-link.ts';

function linked(): { link: ControlLink; posted: object[]; told: string[] } {
  const posted: object[] = [];
  const told: string[] = [];
  const link = new ControlLink((line) => posted.push(line), {
    ready: (line) => told.push(`ready ${line.id}`),
    event: (line) => told.push(`event ${line.event}`),
    fatal: (code, message) => told.push(`fatal ${code} ${message}`),
  });
  return { link, posted, told };
}

describe('a control link', () => {
  it('joins each reply to its request, in any order', async () => {
    const { link, posted } = linked();
    const first = link.request({ op: 'status' });
    const second = link.request({ op: 'links' });
    expect(posted).toEqual([
      { request: 1, op: 'status' },
      { request: 2, op: 'links' },
    ]);
    link.received({ reply: 2, value: 'b' });
    link.received({ reply: 1, value: 'a' });
    link.received({ reply: 1, value: 'again' });
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
  });

  it('rejects with what the replica refused', async () => {
    const { link } = linked();
    const asked = link.request({ op: 'stop' });
    link.received({ reply: 1, error: { code: 'no', message: 'not now' } });
    await expect(asked).rejects.toMatchObject({
      code: 'CLUSTER_ERR_REFUSED',
      message: 'no: not now',
    });
  });

  it('rejects what is open and what comes later once the replica has ended', async () => {
    const { link } = linked();
    const asked = link.request({ op: 'status' });
    link.end('killed');
    await expect(asked).rejects.toMatchObject({ code: 'CLUSTER_ERR_UNRESPONSIVE' });
    await expect(link.request({ op: 'status' })).rejects.toThrow('killed');
  });

  it('rejects a request without an answer in time, and passes a late answer over', async () => {
    const { link } = linked();
    await expect(link.request({ op: 'status' }, 1)).rejects.toThrow('no answer within 1 ms');
    link.received({ reply: 1, value: 'late' });
  });

  it('tells events and the end', () => {
    const { link, told } = linked();
    link.received({ event: 'elected', atMicros: 1, round: 1, node: 1, detail: '' });
    link.received({ fatal: { code: 'WAL_ERR_IO', message: 'gone' } });
    expect(told).toEqual(['event elected', 'fatal WAL_ERR_IO gone']);
  });
});
