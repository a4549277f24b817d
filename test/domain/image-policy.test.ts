import { AppError, ERRORS } from '../../src/domain/errors.js';
import { assertLabels, assertRegistry, carriesLabels } from '../../src/domain/image-policy.js';
import { parseImageReference } from '../../src/domain/image-reference.js';

const APP = parseImageReference('registry.example.com/app:1');
const allowed = (...registries: string[]) => ({ registries, labels: {} });

describe('which images may run', () => {
  it('D13: those of the registries that are named, and of no other', () => {
    expect(() => { assertRegistry(allowed('other.example.com', 'registry.example.com'), APP); }).not.toThrow();
    for (const images of [allowed(), allowed('example.com'), allowed('registry.example.com:5000'), allowed('registry.example.com.evil.example')]) {
      expect(() => { assertRegistry(images, APP); }).toThrow(new AppError('image_not_allowed', 'Images of registry.example.com may not run here.'));
    }
  });

  it('D13: and are refused with 403', () => { expect(ERRORS.image_not_allowed.status).toBe(403); });

  it('D13: those that carry every label with its value', () => {
    const wanted = { 'com.example.target': 'preview', 'team': 'shop' };
    expect(carriesLabels({ ...wanted, more: '1' }, wanted)).toBe(true);
    expect(carriesLabels({}, {})).toBe(true);
    expect(carriesLabels({ team: 'shop' }, wanted)).toBe(false);
    expect(() => { assertLabels({ team: 'shop' }, wanted, APP); }).toThrow('registry.example.com/app:1 may not run here: it lacks the label com.example.target=preview.');
    expect(() => { assertLabels({ ...wanted, team: 'blog' }, wanted, APP); }).toThrow('its label team has another value than shop.');
    expect(() => { assertLabels({}, { toString: 'x' }, APP); }).toThrow('it lacks the label toString=x');
  });
});
