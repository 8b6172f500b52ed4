import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const at = (file: string) => new URL(`../../extension/${file}`, import.meta.url);
const read = (file: string) => readFileSync(at(file), 'utf8');

interface Manifest {
  engines: { vscode: string };
  activationEvents: string[];
  extensionKind: string[];
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  devDependencies: Record<string, string>;
  contributes: {
    commands: { command: string; title: string; category: string }[];
    keybindings: { command: string; when: string }[];
    menus: Record<string, { command: string }[]>;
    configuration: {
      properties: Record<string, { scope: string; markdownDescription?: string; default: unknown; enum?: string[] }>;
    };
  };
}
const manifest = JSON.parse(read('package.json')) as Manifest;
const { commands, configuration, keybindings, menus } = manifest.contributes;

describe('the manifest', () => {
  it('has the commands under one category, all of them wired', () => {
    expect(commands.map(({ title }) => title)).toEqual([
      'Analyze Prompt', 'Cancel Analysis', 'Select Model', 'Set Up Backend', 'Restart Backend', 'Unload Model', 'Show Log',
    ]); // prettier-ignore
    const wiring = read('src/extension.ts');
    for (const { command, category } of commands) {
      expect(category).toBe('LM Transparency');
      expect(wiring).toContain(`${command.replace('lmTransparency.', '')}:`);
    }
  });

  it('offers only commands that exist', () => {
    const known = new Set(commands.map(({ command }) => command));
    for (const { command } of [...keybindings, ...Object.values(menus).flat()]) expect(known).toContain(command);
  });

  it('is activated only by use', () => {
    expect(manifest.activationEvents).toEqual(['onWebviewPanel:lmTransparency.routes']);
    expect(read('src/panel/panels.ts')).toContain("'lmTransparency.routes'");
  });

  it('describes every setting', () => {
    for (const [name, setting] of Object.entries(configuration.properties)) {
      expect(name).toMatch(/^lmTransparency\./);
      expect(setting.markdownDescription, name).toBeTruthy();
      expect(setting.default, name).toBeDefined();
    }
  });

  it('keeps what runs or is loaded out of the hands of an untrusted workspace', () => {
    const { supported, restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
    expect(supported).toBe('limited');
    for (const name of restrictedConfigurations) expect(Object.keys(configuration.properties)).toContain(name);
    for (const [name, { scope }] of Object.entries(configuration.properties)) {
      if (scope.startsWith('machine')) expect(restrictedConfigurations).toContain(name);
    }
    for (const name of ['backend.python', 'backend.pipArguments']) {
      expect(configuration.properties[`lmTransparency.${name}`]?.scope).toBe('machine');
    }
  });

  it('runs where the workspace is, on the API it is checked against', () => {
    expect(manifest.extensionKind).toEqual(['workspace']);
    expect(manifest.engines.vscode).toBe(`^${manifest.devDependencies['@types/vscode']}`);
  });
});
