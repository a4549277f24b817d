import { runAnswerCampaign } from './answer-campaign.js';
import { readCampaign } from './campaign.js';

describe('malformed answers', () => {
  it('never disturb another client, the next request or the server', async () => {
    const campaign = readCampaign(10_000);
    const report = await runAnswerCampaign(campaign);
    process.stdout.write(`answers: FUZZ_SEED=${campaign.seed} ${JSON.stringify(report, (key, value: unknown) => (key === 'breaches' ? undefined : value))}\n`);
    expect(report.breaches).toBe('');
  }, 600_000);
});
