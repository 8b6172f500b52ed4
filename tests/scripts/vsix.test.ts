import { existsSync, readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packedSizes, published, withPictures } from '../../extension/package.mjs';

const ADDRESS = 'https://example.org/me/lm-transparency';

describe('the manifest that is packed', () => {
  it('has repository, bugs and homepage from the one address of the project', () => {
    expect(published({ name: 'a', project: `${ADDRESS}/` })).toEqual({
      name: 'a',
      homepage: `${ADDRESS}#readme`,
      bugs: { url: `${ADDRESS}/issues` },
      repository: { type: 'git', url: ADDRESS },
    });
  });

  it('has none of them before there is one', () => {
    expect(published({ name: 'a', project: '' })).toEqual({ name: 'a' });
  });
});

describe('the README that is packed', () => {
  const readme = readFileSync(new URL('../../extension/README.md', import.meta.url), 'utf8');
  const pictures = (text: string) => [...text.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, address = '']) => address);

  it('has pictures that the repository has', () => {
    expect(pictures(readme).length).toBeGreaterThan(1);
    for (const picture of pictures(readme))
      expect(existsSync(new URL(`../../extension/${picture}`, import.meta.url)), picture).toBe(true);
  });

  it('names them at the address of the project', () => {
    for (const picture of pictures(withPictures(readme, `${ADDRESS}/`)))
      expect(picture).toMatch(new RegExp(`^${ADDRESS}/raw/HEAD/docs/images/[\\w.-]+\\.png$`));
  });

  it('names files of the VSIX before there is an address', () => {
    for (const picture of pictures(withPictures(readme, '')))
      expect(picture).toMatch(/^dist\/docs\/images\/[\w.-]+\.png$/);
  });
});

it('reads from an archive what each file takes in it', () => {
  const entry = (name: string, bytes: Buffer) => {
    const [local, central] = [Buffer.alloc(30), Buffer.alloc(46)];
    local.write('PK\x03\x04', 'latin1');
    central.write('PK\x01\x02', 'latin1');
    central.writeUInt32LE(bytes.length, 20);
    central.writeUInt16LE(name.length, 28);
    return { body: Buffer.concat([local, bytes]), central: Buffer.concat([central, Buffer.from(name)]) };
  };
  const packed = deflateRawSync(Buffer.alloc(1000));
  const entries = [entry('a', packed), entry('folder/b', Buffer.from('xyz'))];
  const bodies = Buffer.concat(entries.map(({ body }) => body));
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(bodies.length, 16);
  const archive = Buffer.concat([bodies, ...entries.map(({ central }) => central), end]);
  expect(packedSizes(archive)).toEqual([
    ['a', packed.length],
    ['folder/b', 3],
  ]);
});
