import { readCampaign } from './campaign.js';
import { runRequestCampaign } from './request-campaign.js';

describe('malformed requests', () => {
  it('never reach the application as anything that the front did not count', async () => {
    const campaign = readCampaign(10_000);
    const report = await runRequestCampaign(campaign);
    process.stdout.write(`requests: FUZZ_SEED=${campaign.seed} ${JSON.stringify(report, (key, value: unknown) => (key === 'breaches' ? undefined : value))}\n`);
    expect(report.breaches).toBe('');
  }, 600_000);
});
