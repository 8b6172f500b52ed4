import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it } from 'vitest';
import { createOnigScanner, createOnigString, loadWASM } from 'vscode-oniguruma';
import { INITIAL, parseRawGrammar, Registry } from 'vscode-textmate';

interface Manifest {
  contributes: { grammars: { scopeName: string; path: string }[] };
}

const at = (file: string) => new URL(`../../extension/${file}`, import.meta.url);
const { contributes } = JSON.parse(readFileSync(at('package.json'), 'utf8')) as Manifest;

// VS Code's own grammars are not here; these tell where they would be at work
const word = (scopeName: string) =>
  JSON.stringify({
    scopeName,
    patterns: [
      { name: `word.${scopeName}`, match: '\\S+' },
      { begin: '"', end: '"' },
    ],
  });
const OPEN_STRING = JSON.stringify({
  scopeName: 'source.json',
  patterns: [{ name: 'string.json', begin: '"', end: '"' }],
});

let registry: Registry;

beforeAll(async () => {
  const wasm = createRequire(import.meta.url).resolve('vscode-oniguruma/release/onig.wasm');
  await loadWASM(readFileSync(wasm));
  registry = new Registry({
    onigLib: Promise.resolve({ createOnigScanner, createOnigString }),
    loadGrammar: (scope) => {
      const ours = contributes.grammars.find(({ scopeName }) => scopeName === scope);
      const text = ours ? readFileSync(at(ours.path), 'utf8') : scope === 'source.json' ? OPEN_STRING : word(scope);
      return Promise.resolve(parseRawGrammar(text, `${scope}.json`));
    },
  });
});

/** Each line's tokens that have more than the grammar's own scope: text and innermost scope. */
async function coloured(scope: string, text: string): Promise<string[][]> {
  const grammar = await registry.loadGrammar(scope);
  if (!grammar) throw new Error(`there is no grammar ${scope}`);
  let state = INITIAL;
  return text.split('\n').map((line) => {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, state);
    state = ruleStack;
    return tokens.flatMap(({ startIndex, endIndex, scopes }) => {
      const innermost = scopes.at(-1) ?? '';
      return innermost === scope ? [] : [`${line.slice(startIndex, endIndex)} ${innermost}`];
    });
  });
}

describe('the grammar of prompts', () => {
  it('reads front matter as YAML, parts the prompts and shows special tokens', async () => {
    const text = '---\nmodel: x\n  - y\n\n# z\n---\nmodel: x\n---  \n<|end|> </s> [INST]';
    expect(await coloured('text.lm-prompt', text)).toEqual([
      ['--- punctuation.definition.front-matter.begin.lm-prompt'],
      ['model: word.source.yaml', '  meta.embedded.block.front-matter.lm-prompt', 'x word.source.yaml'],
      ['   meta.embedded.block.front-matter.lm-prompt', '- word.source.yaml', '  meta.embedded.block.front-matter.lm-prompt', 'y word.source.yaml'],
      [' meta.embedded.block.front-matter.lm-prompt'],
      ['# word.source.yaml', '  meta.embedded.block.front-matter.lm-prompt', 'z word.source.yaml'],
      ['--- punctuation.definition.front-matter.end.lm-prompt'],
      [],
      ['--- keyword.control.separator.lm-prompt', '   meta.separator.lm-prompt'],
      ['<|end|> constant.character.escape.special-token.lm-prompt', '</s> constant.character.escape.special-token.lm-prompt', '[INST] constant.character.escape.special-token.lm-prompt'],
    ]); // prettier-ignore
  });

  it('takes a leading block of text for a prompt', async () => {
    const [, text, separator, after] = await coloured('text.lm-prompt', '---\nNot a key\n---\nmodel: x');
    expect([text, separator, after]).toEqual([[], ['--- keyword.control.separator.lm-prompt'], []]);
  });

  it('knows the roles of a chat from other marks', async () => {
    const [role, , other, within] = await coloured('text.lm-chat', '<|user|>\nHi <b>\n<|endoftext|>\nsay <|user|>');
    expect(role).toContain('user entity.name.tag.role.lm-chat');
    expect(other).toEqual(['<|endoftext|> constant.character.escape.special-token.lm-prompt']);
    expect(within).toEqual(['<|user|> constant.character.escape.special-token.lm-prompt']);
  });

  it('lets a broken record colour no other one', async () => {
    const [first, second, third] = await coloured('source.lm-prompts-jsonl', '{"open\nplain\n"x" plain');
    expect([first, second]).toEqual([['" string.json', 'open string.json'], []]);
    expect(third).toEqual(['" string.json', 'x string.json', '" string.json']);
  });
});
