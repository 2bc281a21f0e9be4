package devidp

import (
	"context"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// StoreDeviceAuthorization starts a device flow.
func (s *store) StoreDeviceAuthorization(
	_ context.Context, clientID, deviceCode, userCode string, expires time.Time, scopes []string,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	if s.devices[userCode] != nil {
		return op.ErrDuplicateUserCode
	}
	state := op.DeviceAuthorizationState{ClientID: clientID, Scopes: withOfflineAccess(scopes), Expires: expires}
	s.devices[userCode] = &deviceFlow{code: deviceCode, state: state}
	return nil
}

// GetDeviceAuthorizatonState returns the state of a device flow to the polling device. It returns a completed flow
// once.
func (s *store) GetDeviceAuthorizatonState(
	_ context.Context, clientID, deviceCode string,
) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for userCode, d := range s.devices {
		if d.code != deviceCode || d.state.ClientID != clientID {
			continue
		}
		if d.state.Done {
			delete(s.devices, userCode)
		}
		state := d.state
		return &state, nil
	}
	return nil, fault.New(fault.NotFound, "device code: unknown, used or expired")
}

// approveDevice completes the device flow with this user code for a user. It ignores letter case and surrounding
// spaces.
func (s *store) approveDevice(userCode, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[strings.ToUpper(strings.TrimSpace(userCode))]
	if d == nil || d.state.Done || time.Now().After(d.state.Expires) {
		return fault.New(fault.NotFound, "device code: unknown, used or expired")
	}
	if _, ok := s.users[user]; !ok {
		return fault.New(fault.NotFound, "user %q: not found", user)
	}
	d.state.Done, d.state.Subject, d.state.AuthTime = true, user, time.Now()
	return nil
}
