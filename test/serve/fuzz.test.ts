import { runAnswerCampaign } from '../fuzz/answer-campaign.js';
import { readCampaign } from '../fuzz/campaign.js';
import { runRequestCampaign } from '../fuzz/request-campaign.js';

/** A small part of `npm run test:fuzz`, which keeps it alive. */
describe('a campaign of malformed bytes', () => {
  const campaign = readCampaign(300, {});

  it('from clients: the application sees what was counted', async () => {
    const { breaches, cases, ...reached } = await runRequestCampaign(campaign);
    expect(breaches).toBe('');
    expect(cases).toBe(300);
    for (const times of Object.values(reached)) expect(times).toBeGreaterThan(50);
  });

  it('from applications: clients get an answer or a loss', async () => {
    const { breaches, cases, ...reached } = await runAnswerCampaign(campaign);
    expect(breaches).toBe('');
    expect(cases).toBe(300);
    for (const times of Object.values(reached)) expect(times).toBeGreaterThan(10);
  });
});
