// @vitest-environment happy-dom
/** Rows of heads and neurons carry the tokens that they promote, asked for behind everything else. */
import { describe, expect, it } from 'vitest';
import type { Answer, Question } from '../../extension/shared/webview';
import { syntheticAnswer } from '../../webview/dev/answers';
import { setAnalysis } from '../../webview/dev/attention';
import { sizes } from '../../webview/dev/numbers';
import { decodeAnalysis } from '../../webview/src/analysis/payload';
import { mount } from '../../webview/src/mount';
import { answerEffects } from './effectsBackend';
import { FakeHost, analysisMessage } from './host';
import { useMounted } from './mounted';
import { all, click, find, settled, text } from './panelDom';

const token = (id: number, word: string) => ({ id, text: word, logit: 2, probability: null, rankChange: null });

/** "M2_3#12" promotes " M2_3#12a", " M2_3#12b" and " M2_3#12c". */
const promotedBy = ({ params }: Question): Answer => ({
  units: (params as { units: string[] }).units.map((unit) => ({
    unit,
    promoted: ['a', 'b', 'c'].map((end, id) => token(id, ` ${unit}${end}`)),
  })),
  lens: 'logit',
});

let host: FakeHost;
useMounted((made) => (host = made));

let hasPromoted = true;

const show = async (selection: string | null, view: object = {}): Promise<void> => {
  const message = analysisMessage({}, { target: 7, selection, ...view });
  if (message.type !== 'analysis') throw new Error('no analysis');
  const analysis = decodeAnalysis(message.payload);
  setAnalysis(analysis);
  Object.assign(sizes, { nLayers: 4, nTokens: 8, nHeads: analysis.meta.model.nHeads });
  answerEffects(host, { units: { 'I2_1>A3_7': [1, 2], '2.1@7': [0.3, 0.2], 'M2_3#12': [0.02] }, value: 5 });
  const effects = host.reply;
  const made = /Effects|knockOut|faithfulness/;
  host.reply = (question, options) => {
    if (question.method === 'lmTransparency/promoted')
      return hasPromoted ? Promise.resolve(promotedBy(question)) : Promise.reject(new Error('nobody answers'));
    return made.test(question.method) ? effects(question, options) : Promise.resolve(syntheticAnswer(question));
  };
  host.say(message);
  await settled();
};
const asked = () => host.askedBy('lmTransparency/promoted') as { units: string[]; behind: boolean; topK: number }[];

describe('the tokens that a row promotes', () => {
  it('are those of each neuron of a block', async () => {
    await show('M2_3');
    expect(asked()).toHaveLength(1);
    expect(asked()[0]).toMatchObject({ behind: true, topK: 3 });
    for (const row of all('[data-testid=neurons] .bar-row')) {
      const unit = `M2_3#${row.dataset['neuron']}`;
      expect(asked()[0]?.units).toContain(unit);
      expect([...row.querySelectorAll('.says .token')].map((one) => one.textContent)).toEqual(
        ['a', 'b', 'c'].map((end) => `·${unit}${end}`),
      );
      expect(row.title).toContain(`promotes ·${unit}a`);
    }
  });

  it('are those of each head of an edge, from this key alone; a copied table has them', async () => {
    await show('attention:I2_1>A3_7');
    const rows = all('[data-testid=heads] .bar-row');
    expect(rows.length).toBeGreaterThan(1);
    for (const row of rows) expect(row.querySelector('.says')?.textContent).toContain(`·I2_1>A3_7/${row.dataset['head']}a`); // prettier-ignore
    await click(find('copy-heads'));
    const [names, first] = (host.toldOf('copy').at(-1)?.text ?? '').split('\n').map((line) => line.split('\t'));
    expect(first?.[names?.indexOf('promotes') ?? -1]).toMatch(/^·I2_1>A3_7\/\da ·I2_1/);
  });

  it('are in the lists of effects of heads and neurons, and in no other', async () => {
    await show(null, { ink: 'effect', threshold: 0.9 });
    expect(asked()).toEqual([]);
    await click(find('list-head'));
    await settled();
    expect(text('effects-head')).toContain('·2.1@7a');
    await click(find('list-neuron'));
    await settled();
    expect(text('effects-neuron')).toContain('·M2_3#12a');
  });

  it('are not missed in a recording that has none', async () => {
    document.body.innerHTML = '<div id="recording"></div>';
    host = Object.assign(new FakeHost(), { recording: true });
    const unmount = mount(document.getElementById('recording') as HTMLElement, host);
    hasPromoted = false;
    await show('M2_3');
    hasPromoted = true;
    await settled();
    expect(find('neurons').querySelector('.says')).toBeNull();
    unmount();
  });
});
