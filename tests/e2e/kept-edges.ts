import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { repositoryPython } from '../../scripts/host/paths.mjs';

const run = promisify(execFile);

/** A kept edge, from the command line's table. */
export interface EdgeRow {
  name: string;
  layer: number;
  flow: number;
  heads: { head: number; weight: number }[];
}

/** The kept attention edges of a prompt's last token, as the command line writes them in a process of its own. */
export async function keptEdges(prompt: string, threshold: string): Promise<EdgeRow[]> {
  const words = ['-m', 'lm_transparency', 'analyze', prompt, '--format', 'csv', '--threshold', threshold];
  const { stdout } = await run(repositoryPython(), words, { maxBuffer: 1e8 });
  return stdout
    .split('\r\n')
    .slice(1)
    .flatMap((line) => {
      const [, source, target, layer, flow, heads] =
        /^([A-Z]\d+_\d+),([A-Z]\d+_\d+),attention,(\d+),.*,[\d.e-]+,([\d.e-]+),([\d:.e -]+),[\d.e-]+$/.exec(line) ?? [];
      if (!heads) return [];
      const parts = heads.split(' ').map((part) => {
        const [head, weight] = part.split(':').map(Number);
        return { head: head ?? -1, weight: weight ?? 0 };
      });
      return [{ name: `attention:${source}>${target}`, layer: Number(layer), flow: Number(flow), heads: parts }];
    });
}
