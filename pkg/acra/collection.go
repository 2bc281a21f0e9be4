package acra

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// dataset is one dataset of the collection.
type dataset struct {
	id, name string
	version  string // when it was published; "" when the metadata are unavailable
	size     int64  // of its CSV, in bytes; 0 when the metadata do not tell
}

// chooseDatasets lists the datasets to read: those with the given ids, or the whole collection when there are no ids.
// all reports whether it is the whole collection.
func (c *apiClient) chooseDatasets(ctx context.Context, ids []string) (list []dataset, all bool, err error) {
	list, err = c.fetchDatasets(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		c.Log.WarnContext(ctx, "register metadata unavailable: using the built-in dataset ids", "error", err)
		list = knownDatasets()
	}
	if len(ids) == 0 {
		return list, true, nil
	}
	byID := map[string]dataset{}
	for _, d := range list {
		byID[d.id] = d
	}
	var chosen []dataset
	for _, id := range ids {
		d, ok := byID[id]
		if !ok {
			d = dataset{id: id, name: id}
		}
		chosen = append(chosen, d)
	}
	return chosen, false, nil
}

// collectionAnswer is the metadata of the collection and its datasets.
type collectionAnswer struct {
	Code int
	Data struct {
		CollectionMetadata struct {
			LastUpdatedAt string
			ChildDatasets []string
		}
		DatasetMetadata []struct {
			DatasetID, Name, LastUpdatedAt string
			DatasetSize                    any // a number of bytes, where the service tells it
		}
	}
}

func (c *apiClient) collectionURL() string {
	return c.Metadata + "/v2/public/api/collections/" + collection + "/metadata?withDatasetMetadata=true"
}

// fetchDatasets asks the service for the collection's datasets.
func (c *apiClient) fetchDatasets(ctx context.Context) ([]dataset, error) {
	what := "collection " + collection
	got, err := getJSON(ctx, c, &c.downloads, what, c.collectionURL(), func(a collectionAnswer) error {
		if a.Code != 0 || len(a.Data.CollectionMetadata.ChildDatasets) == 0 {
			return fault.New(fault.Unavailable, "%s: no datasets in the answer (code %d)", what, a.Code)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	names := map[string]dataset{}
	for _, d := range knownDatasets() {
		names[d.id] = d
	}
	for _, d := range got.Data.DatasetMetadata {
		size, _ := strconv.ParseInt(fmt.Sprint(d.DatasetSize), 10, 64) // 0 for anything but a whole number
		names[d.DatasetID] = dataset{name: letterOf(d.Name, d.DatasetID), version: d.LastUpdatedAt, size: size}
	}
	var list []dataset
	for _, id := range got.Data.CollectionMetadata.ChildDatasets {
		d := names[id]
		d.id, d.name = id, orElse(d.name, id)
		d.version = orElse(d.version, got.Data.CollectionMetadata.LastUpdatedAt)
		list = append(list, d)
	}
	return list, nil
}

// letterOf returns the distinguishing part of a dataset's name, the quoted letter of "… ('A')".
func letterOf(name, otherwise string) string {
	if _, rest, ok := strings.Cut(name, "('"); ok {
		if letter, _, ok := strings.Cut(rest, "')"); ok {
			return letter
		}
	}
	return orElse(name, otherwise)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func versionsOf(list []dataset) map[string]string {
	versions := map[string]string{}
	for _, d := range list {
		if d.version == "" {
			return nil // without every version, no dataset is known to be unchanged
		}
		versions[d.id] = d.version
	}
	return versions
}

// knownDatasets returns the collection's datasets as they have always been, for when the metadata are unavailable.
func knownDatasets() []dataset {
	const ids = `
		A d_8575e84912df3c28995b8e6e0e05205a B d_3a3807c023c61ddfba947dc069eb53f2 C d_c0650f23e94c42e7a20921f4c5b75c24
		D d_acbc938ec77af18f94cecc4a7c9ec720 E d_124a9bd407c7a25f8335b93b86e50fdd F d_4526d47d6714d3b052eed4a30b8b1ed6
		G d_b58303c68e9cf0d2ae93b73ffdbfbfa1 H d_fa2ed456cf2b8597bb7e064b08fc3c7c I d_85518d970b8178975850457f60f1e738
		J d_478f45a9c541cbe679ca55d1cd2b970b K d_5573b0db0575db32190a2ad27919a7aa L d_a2141adf93ec2a3c2ec2837b78d6d46e
		M d_9af9317c646a1c881bb5591c91817cc6 N d_67e99e6eabc4aad9b5d48663b579746a O d_5c4ef48b025fdfbc80056401f06e3df9
		P d_181005ca270b45408b4cdfc954980ca2 Q d_4130f1d9d365d9f1633536e959f62bb7 R d_2b8c54b2a490d2fa36b925289e5d9572
		S d_df7d2d661c0c11a7c367c9ee4bf896c1 T d_72f37e5c5d192951ddc5513c2b134482 U d_0cc5f52a1f298b916f317800251057f3
		V d_e97e8e7fc55b85a38babf66b0fa46b73 W d_af2042c77ffaf0db5d75561ce9ef5688 X d_1cd970d8351b42be4a308d628a6dd9d3
		Y d_31af23fdb79119ed185c256f03cb5773 Z d_4e3db8955fdcda6f9944097bef3d2724
		Others d_300ddc8da4e8f7bdc1bfc62d0d99e2e7`
	words := strings.Fields(ids)
	var list []dataset
	for i := 0; i < len(words); i += 2 {
		list = append(list, dataset{id: words[i+1], name: words[i]})
	}
	return list
}
