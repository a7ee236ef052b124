import { describe, expect, it } from 'vitest';
import { formatScript, parseScript } from './script-file.ts';

const SCRIPT = `# A comment
# of two lines
cluster 3
timeout 1
----
1 candidacy
1 sends

status
----
`;

describe('golden script files', () => {
  it('are read as steps', () => {
    expect(parseScript(SCRIPT)).toEqual([
      {
        comments: ['# A comment', '# of two lines'],
        commands: ['cluster 3', 'timeout 1'],
        expected: '1 candidacy\n1 sends',
      },
      { comments: [], commands: ['status'], expected: '' },
    ]);
  });

  it('are written as they were read, with other outputs', () => {
    const steps = parseScript(SCRIPT);
    const outputs = steps.map((step) => step.expected);
    expect(formatScript(steps, outputs)).toBe(SCRIPT);
    expect(formatScript(steps, ['x', 'y'])).toContain('timeout 1\n----\nx\n\nstatus\n----\ny\n');
  });

  it('say which line ends without its separator', () => {
    expect(() => parseScript('cluster 3\n')).toThrow('line 2: "----" is missing');
  });
});
