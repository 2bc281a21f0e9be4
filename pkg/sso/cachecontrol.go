package sso

import (
	"strconv"
	"strings"
	"time"
)

// cacheLifetime returns how long a response with this Cache-Control header may be used, from minKeyAge to maxKeyAge. It
// is minKeyAge for no-store and no-cache, and maxKeyAge for a header without a usable max-age.
func cacheLifetime(cacheControl string) time.Duration {
	life := maxKeyAge
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return minKeyAge
		case "max-age":
			seconds, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil || seconds > int(maxKeyAge/time.Second) {
				continue
			}
			life = max(time.Duration(seconds)*time.Second, minKeyAge)
		}
	}
	return life
}
